"""The state of training, read from the folder of the models."""

from pathlib import Path

import pytest

from recommender.trainer.state import TrainingReader
from recommender.trainer.training_locks import RUN_LOCK, TRAINER_LOCK
from tests.support.small_disk import mounted_small_disk


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
