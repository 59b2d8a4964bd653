"""A lock has one holder, can be passed to another process, and is free when its last holder has ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recommender.errors import TrainingUnderWayError
from recommender.trainer.locks import RUN_LOCK, is_held, is_lock_of, run_lock, take_lock


def test_a_lock_is_taken_once_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "models" / "lock"
    assert not is_held(path)
    lock = take_lock(path)
    assert lock is not None
    assert is_held(path)
    assert take_lock(path) is None
    os.close(lock)
    assert not is_held(path)
    again = take_lock(path)
    assert again is not None
    os.close(again)


def test_a_lock_is_of_the_folder_until_that_is_removed_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "models" / "lock"
    lock = take_lock(path)
    assert lock is not None
    assert is_lock_of(lock, path)
    path.parent.rename(tmp_path / "away")
    assert not is_lock_of(lock, path)
    other = take_lock(path)
    assert other is not None
    assert not is_lock_of(lock, path)
    assert is_lock_of(other, path)
    os.close(lock)
    os.close(other)


def test_a_process_that_is_given_a_lock_holds_it_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = take_lock(path)
    assert lock is not None
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(lock,)) as process:  # noqa: S603 - ours
        os.close(lock)
        assert is_held(path)
        process.kill()
    assert not is_held(path)


def test_a_second_run_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    with run_lock(tmp_path):
        assert is_held(tmp_path / RUN_LOCK)
        with pytest.raises(TrainingUnderWayError, match="another training run"), run_lock(tmp_path):
            pass
    with run_lock(tmp_path):
        pass
