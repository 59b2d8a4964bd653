"""The state of training, read from the folder of the models."""

from pathlib import Path

from recommender.trainer.state import TrainingReader
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
