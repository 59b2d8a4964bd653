"""`batch` writes the answers of the API for many users to a file."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psycopg
import pytest
from flask.testing import FlaskClient

from config.setting_types import ROOT
from recommender.batch import parquet_writer
from recommender.batch import run as batch_run
from recommender.entities import DatabaseName, Page, UserRecommendations
from recommender.serving.recommendations import RecommendationService
from tests.support.batches import STRANGER, flat, ids_file, read_csv, read_parquet, streamed
from tests.support.checks import overlay
from tests.support.commands import Run, variables
from tests.support.postgres import Outage, Urls
from tests.support.processes import environment
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName


def test_ndjson_equals_the_stream_of_the_api_byte_for_byte(
    run: Run, client: FlaskClient, reference: Reference, tmp_path: Path
) -> None:
    users = [STRANGER, *reversed(reference.users)]
    result = run("batch", ids_file(tmp_path, users), "--output", tmp_path / "out.ndjson", "--limit", 4)
    assert result.status == 0
    assert (tmp_path / "out.ndjson").read_bytes() == streamed(client, users, limit=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.txt", "out.ndjson"]
    assert f"{len(users)} of {len(users)} users; {4 * len(users):,} recommendations" in result.out
    assert "0 degraded, 0 skipped, 0 repeated" in result.out


@pytest.mark.usefixtures("few_at_once")
def test_csv_and_parquet_hold_the_same_values_as_ndjson(
    run: Run,
    client: FlaskClient,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet_writer, "_USERS_A_PART", 50)
    users = reference.users[:120]
    file = ids_file(tmp_path, users)
    assert run("batch", file, "--output", tmp_path / "out.csv").status == 0
    assert run("batch", file, "--output", tmp_path / "out.PARQUET").status == 0
    head, *rows = read_csv(tmp_path / "out.csv")
    assert head[:4] == ["user_id", "rank", "media_id", "title"]
    assert rows == flat(streamed(client, users))
    assert read_parquet(tmp_path / "out.PARQUET") == [head, *rows]
    assert sorted(path.name for path in (tmp_path / "out.PARQUET").iterdir()) == [
        f"part-0000{part}.parquet" for part in range(2)
    ]


def test_the_format_option_wins_over_the_suffix(run: Run, tmp_path: Path) -> None:
    file = ids_file(tmp_path, [STRANGER])
    assert run("batch", file, "--output", tmp_path / "out.csv", "--format", "ndjson").status == 0
    assert json.loads((tmp_path / "out.csv").read_text())["user_id"] == STRANGER


def test_all_users_of_both_databases_are_answered_once(
    run_alone: Run, databases: Urls, tmp_path: Path
) -> None:
    with psycopg.connect(databases[USER]) as connection:
        connection.execute("DELETE FROM user_preferences WHERE user_id::text < '8'")
        connection.execute("INSERT INTO user_preferences VALUES (gen_random_uuid(), %s)", (STRANGER,))
    all_users = {
        row[0]
        for name, table in ((USER, "user_preferences"), (ENGAGEMENT, "interaction"))
        for row in Reference(databases).rows(name, f"SELECT user_id::text FROM {table}")  # noqa: S608 - ours
    }
    result = run_alone("batch", "--all-users", "--output", tmp_path / "out", "--limit", 1)
    answered = [json.loads(line)["user_id"] for line in (tmp_path / "out").read_text().splitlines()]
    assert result.status == 0
    assert answered == sorted(all_users)


def test_ids_may_be_written_loosely_and_invalid_ones_are_reported(
    run: Run, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_run, "_USERS_AT_ONCE", 1)
    first, second = reference.users[:2]
    file = tmp_path / "ids.txt"
    wrong = [f"nobody {number}" for number in range(12)]
    lines = [f"\ufeff{first.upper()}\r", "", second, f"  {first}  ", "# a remark", *wrong, ""]
    file.write_bytes("\n".join(lines).encode() + b"\xff\n")
    result = run("batch", file, "--output", tmp_path / "out", "--limit", 1)
    answered = [json.loads(line)["user_id"] for line in (tmp_path / "out").read_text().splitlines()]
    assert (result.status, answered) == (3, [first, second])
    assert "line 5: '# a remark' is not a UUID: skipped\nline 6: 'nobody 0' is" in result.err
    assert result.err.count("skipped") == 10
    assert "… and 4 more\n" in result.err
    assert "0 degraded, 14 skipped, 1 repeated" in result.out


def test_ids_can_be_read_from_standard_input(
    reference: Reference, tmp_path: Path, shared_databases: Urls
) -> None:
    finished = subprocess.run(  # noqa: S603 - our own files
        [sys.executable, "-m", "recommender", "batch", "-", "--output", tmp_path / "out"],
        cwd=ROOT,
        env=environment(**variables(shared_databases)),
        input="\n".join(reference.users[:3]),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (finished.returncode, (tmp_path / "out").read_text().count("\n")) == (0, 3)
    assert "Recommending to 3 users" in finished.stderr


@pytest.mark.parametrize("stdout", ["full", "closed pipe"])
def test_a_summary_that_cannot_be_printed_does_not_change_the_status(
    reference: Reference, tmp_path: Path, shared_databases: Urls, stdout: str
) -> None:
    ids = ids_file(tmp_path, reference.users[:3])
    reading, pipe = os.pipe()
    os.close(reading)
    with os.fdopen(pipe, "wb") as closed, Path("/dev/full").open("wb") as full:
        finished = subprocess.run(  # noqa: S603 - our own files
            [sys.executable, "-m", "recommender", "batch", ids, "--output", tmp_path / "out"],
            cwd=ROOT,
            env=environment(**variables(shared_databases)),
            stdout=full if stdout == "full" else closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (finished.returncode, (tmp_path / "out").read_text().count("\n")) == (0, 3)
    assert finished.stderr.splitlines()[1:] == [
        f"The summary cannot be printed: {'No space left on device' if stdout == 'full' else 'Broken pipe'}."
    ]


def test_an_existing_output_is_replaced_only_on_request(run: Run, tmp_path: Path) -> None:
    file, output = ids_file(tmp_path, [STRANGER]), tmp_path / "out"
    output.write_text("precious")
    refused = run("batch", file, "--output", output)
    assert refused.status == 2
    assert refused.err.endswith("out: the output exists already; --overwrite replaces it\n")
    assert output.read_text() == "precious"
    assert not (tmp_path / "out.resume").exists()
    assert run("batch", file, "--output", output, "--overwrite").status == 0
    assert output.read_text().startswith(f'{{"user_id":"{STRANGER}"')


def test_degraded_answers_are_written_counted_and_change_the_status(
    run_alone: Run, outage: Outage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_run, "_USERS_AT_ONCE", 1)
    outage.stop(ENGAGEMENT)
    users = [STRANGER, STRANGER.replace("1", "2")]
    result = run_alone("batch", ids_file(tmp_path, users), "--output", tmp_path / "out")
    answers = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert result.status == 3
    assert [answer["degraded"] for answer in answers] == [["engagement_db"]] * 2
    assert "2 degraded" in result.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give either FILE or --all-users"),
        (["{ids}", "--all-users"], "Give either FILE or --all-users"),
        (["{folder}/missing.txt"], "No such file"),
        (["{ids}", "--output", "{folder}/no/out"], "there is no folder {folder}/no\n"),
        (["{ids}", "--output", "{folder}/out.xlsx"], ".xlsx names no format: use .csv, .parquet"),
        (["{ids}", "--output", "{folder}/out.csv", "--format", "parquet"], "Parquet makes a folder"),
        (["{ids}", "--output", "/dev/null"], "/dev/null: it is not a regular file"),
        (["{ids}", "--output", "{ids}", "--format", "parquet"], "it is a file, but Parquet needs a folder"),
        (["{ids}", "--format", "parquet", "--output", "{folder}"], "which this command did not make"),
        (["{ids}", "--limit", "101"], "must be from 1 to 100"),
    ],
)
def test_wrong_usage_prints_one_line_with_status_2(
    run: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    file = ids_file(tmp_path, [STRANGER])
    given = [argument.format(ids=file, folder=tmp_path) for argument in arguments]
    output = [] if "--output" in given else ["--output", tmp_path / "out"]
    result = run("batch", *given, *output)
    assert result.status == 2
    assert words.format(folder=tmp_path) in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["ids.txt"]


def test_parquet_without_its_package_names_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "recommender.batch.parquet_writer", None)
    result = run("batch", ids_file(tmp_path, [STRANGER]), "--output", tmp_path / "out.parquet")
    assert result.status == 2
    assert "pip install -r requirements-parquet.txt" in result.err


@pytest.mark.parametrize("name", [USER, ENGAGEMENT])
def test_an_overlay_that_does_not_sort_users_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: DatabaseName
) -> None:
    folder = tmp_path / "sql"
    folder.mkdir()
    monkeypatch.setenv("SQL_PATH", overlay(folder, name, "stream_users", " ASC", " DESC"))
    result = run("batch", "--all-users", "--output", tmp_path / "out")
    assert result.status == 2
    assert "it must sort by the bytes of the ids" in result.err
    assert list(tmp_path.iterdir()) == [folder]


def test_ids_that_requests_refuse_are_skipped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: Reference
) -> None:
    monkeypatch.setenv("ID_PATTERN", "[0-7].*")
    result = run("batch", "--all-users", "--output", tmp_path / "out", "--limit", 1)
    answered = [json.loads(line)["user_id"] for line in (tmp_path / "out").read_text().splitlines()]
    assert result.status == 3
    assert all(user_id < "8" for user_id in answered)
    assert {user_id for user_id in reference.users if user_id < "8"} <= set(answered)
    assert "is not of the form [0-7].*: skipped" in result.err


def test_all_users_need_both_databases(
    run_alone: Run, outage: Outage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage.stop(ENGAGEMENT)
    monkeypatch.setenv("POOL_TIMEOUT_MS", "100")
    result = run_alone("batch", "--all-users", "--output", tmp_path / "out")
    assert result.status == 1
    assert "engagement_db did not answer: " in result.err
    assert "is not currently accepting connections" in result.err
    assert list(tmp_path.iterdir()) == []


def test_an_empty_catalog_stops_the_job_with_a_message(
    run_alone: Run, databases: Urls, tmp_path: Path
) -> None:
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("TRUNCATE medias")
    result = run_alone("batch", "--all-users", "--output", tmp_path / "out")
    assert result.status == 1
    assert "stopped before the end: the catalog is empty" in result.err


LOSSES = {
    "deleted": (CATALOG, "DELETE FROM medias WHERE id::text < '8'"),
    "soft-deleted": (CATALOG, "UPDATE medias SET deleted_at = now() WHERE id::text < '8'"),
    "interactions": (ENGAGEMENT, "DELETE FROM interaction WHERE media_id::text < '8'"),
}


def change_midway(monkeypatch: pytest.MonkeyPatch, url: str, statement: str, *, pause_s: float = 0.7) -> None:
    """Pause a job at several times, and change a database after its first users."""
    recommend, asked = RecommendationService.recommend, itertools.count()

    def slow(
        service: RecommendationService, user_ids: Iterable[str], page: Page
    ) -> list[UserRecommendations]:
        if next(asked) == 1:
            with psycopg.connect(url) as connection:
                connection.execute(statement.encode())
        time.sleep(pause_s)
        return list(recommend(service, user_ids, page))

    monkeypatch.setattr(RecommendationService, "recommend", slow)
    monkeypatch.setattr(batch_run, "_USERS_AT_ONCE", 20)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_during_the_job_changes_the_status(
    run_alone: Run, databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    name, statement = LOSSES[loss]
    monkeypatch.setenv("CATALOG_REFRESH_SECONDS", "1")
    users = ids_file(tmp_path, Reference(databases).users[:180])
    # The nine pauses are three intervals.
    change_midway(monkeypatch, databases[name], statement, pause_s=0.4)
    result = run_alone("batch", users, "--output", tmp_path / "out")
    assert result.status == 3
    assert "lacked much of what they held before" in result.err


def test_a_catalog_that_is_still_filling_changes_the_status(
    run_alone: Run, databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = ids_file(tmp_path, Reference(databases).users[:180])
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM medias WHERE id::text < '8'")
        connection.execute("DELETE FROM medias WHERE id::text < '8'")
    change_midway(monkeypatch, databases[CATALOG], "INSERT INTO medias SELECT * FROM kept")
    result = run_alone("batch", users, "--output", tmp_path / "out")
    assert result.status == 3
    assert "was incomplete when the job began" in result.err
