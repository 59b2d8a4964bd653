"""One training run at a time holds a folder of models."""

from pathlib import Path

import pytest

from recommender.errors import TrainingUnderWayError
from recommender.system.file_locks import is_held
from recommender.trainer.training_locks import RUN_LOCK, run_lock


def test_a_second_run_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    with run_lock(tmp_path):
        assert is_held(tmp_path / RUN_LOCK)
        with pytest.raises(TrainingUnderWayError, match="another training run"), run_lock(tmp_path):
            pass
    with run_lock(tmp_path):
        pass
