"""The state of training, read from the folder of the models."""

from datetime import datetime
from pathlib import Path

import pytest

from recommender.model_store.runs import TrainingOutcome
from recommender.trainer.state import TrainingReader
from recommender.trainer.training_locks import RUN_LOCK, TRAINER_LOCK
from tests.support.small_disk import mounted_small_disk
from tests.support.training import record_run


def test_a_full_disk_blocks_training_until_there_is_space(tmp_path: Path) -> None:
    with mounted_small_disk(tmp_path, "8m") as disk:
        reader, without_trainer = (TrainingReader(disk.path, trains=trains) for trains in (True, False))
        assert not reader.read().blocked
        disk.fill()
        assert reader.read().blocked
        assert not without_trainer.read().blocked
        disk.empty()
        assert not reader.read().blocked


@pytest.mark.parametrize("name", [TRAINER_LOCK, RUN_LOCK])
def test_a_lock_file_that_cannot_be_written_blocks_training(tmp_path: Path, name: str) -> None:
    reader = TrainingReader(tmp_path, trains=True)
    (tmp_path / name).touch()
    assert not reader.read().blocked
    (tmp_path / name).unlink()
    # Not even root can open it to write, as others cannot open a file of another user.
    (tmp_path / name).mkdir()
    assert reader.read().blocked


def test_failures_of_days_do_not_hide_when_a_version_was_published(tmp_path: Path) -> None:
    published = record_run(tmp_path, 1)
    for number in range(2, 130):
        record_run(tmp_path, number, outcome=TrainingOutcome.FAILED, version=None)
    state = TrainingReader(tmp_path, trains=True).read()
    assert (state.failed, state.last_success) == (True, seconds(published.ended_at))


def test_a_run_that_failed_after_it_had_published_counts_as_a_publication(tmp_path: Path) -> None:
    failed = record_run(tmp_path, 1, outcome=TrainingOutcome.FAILED)
    state = TrainingReader(tmp_path, trains=True).read()
    assert (state.failed, state.last_success) == (True, seconds(failed.ended_at))


def test_without_a_publication_there_is_no_moment_of_one(tmp_path: Path) -> None:
    record_run(tmp_path, 1, outcome=TrainingOutcome.FAILED, version=None)
    assert TrainingReader(tmp_path, trains=True).read().last_success == 0.0


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
