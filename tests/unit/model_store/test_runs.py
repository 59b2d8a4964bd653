"""Records of training runs are numbered, read back newest first, and bounded."""

import json
import os
from pathlib import Path

import pytest

from recommender.model_store import runs
from recommender.model_store.runs import next_run_number, read_run, read_runs
from tests.support.training import record_run


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = record_run(tmp_path, 1)
    assert list(read_runs(tmp_path, 10)) == [run]
    assert read_run(tmp_path, 1) == run
    assert read_run(tmp_path, 2) is None


def test_runs_are_numbered_on_and_read_newest_first(tmp_path: Path) -> None:
    assert next_run_number(tmp_path) == 1
    assert list(read_runs(tmp_path, 10)) == []
    for number in (1, 2, 12):
        record_run(tmp_path, number)
    assert next_run_number(tmp_path) == 13
    assert [run.number for run in read_runs(tmp_path, 2)] == [12, 2]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"number": 2}'])
def test_a_damaged_record_is_left_out_and_its_number_not_given_again(tmp_path: Path, content: bytes) -> None:
    for number in (1, 2):
        record_run(tmp_path, number)
    (tmp_path / "runs" / "000002.json").write_bytes(content)
    (tmp_path / "runs" / "notes.json").write_text("mine")
    assert [run.number for run in read_runs(tmp_path, 10)] == [1]
    assert next_run_number(tmp_path) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("started_at", "yesterday"),
        ("started_at", "2026-11-20T03:00:00"),
        ("ended_at", ""),
        ("counts", {"users": 10**30}),
        ("number", 1 << 64),
        ("reason", "x" * (1 << 20)),
    ],
    ids=["no time", "no zone", "empty", "large count", "large number", "large file"],
)
def test_a_record_that_a_trainer_or_an_answer_could_not_take_is_left_out(
    tmp_path: Path, field: str, value: object
) -> None:
    record_run(tmp_path, 1)
    record_run(tmp_path, 2)
    path = tmp_path / "runs" / "000002.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    assert [run.number for run in read_runs(tmp_path, 10)] == [1]


def test_fields_that_a_newer_release_added_are_ignored(tmp_path: Path) -> None:
    run = record_run(tmp_path, 1)
    path = tmp_path / "runs" / "000001.json"
    content = json.loads(path.read_text()) | {"energy_kwh": 0.2}
    content["compared"][0]["metric"]["median"] = 0.2
    path.write_text(json.dumps(content))
    assert list(read_runs(tmp_path, 1)) == [run]


def test_records_that_cannot_be_read_do_not_count_among_the_latest(tmp_path: Path) -> None:
    for number in (1, 2, 3, 4):
        record_run(tmp_path, number)
    for number in (3, 4):
        (tmp_path / "runs" / f"{number:06}.json").write_text("{")
    assert [run.number for run in read_runs(tmp_path, 1)] == [2]
    assert [run.number for run in read_runs(tmp_path, 0)] == []


def test_a_named_pipe_in_the_place_of_a_record_is_not_waited_for(tmp_path: Path) -> None:
    record_run(tmp_path, 1)
    os.mkfifo(tmp_path / "runs" / "000002.json")
    assert [run.number for run in read_runs(tmp_path, 10)] == [1]


def test_very_old_records_are_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_KEPT_RUNS", 2)
    record_run(tmp_path, 1)
    (tmp_path / "runs" / "notes.json").write_text("mine")
    for number in (2, 3):
        record_run(tmp_path, number)
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["000002.json", "000003.json", "notes.json"]


def test_the_measure_is_that_of_the_variant_that_serves_afterwards(tmp_path: Path) -> None:
    run = record_run(tmp_path, 1)
    assert run.measured_chosen == run.compared[0].metric
    assert record_run(tmp_path, 2, chosen="another").measured_chosen is None
