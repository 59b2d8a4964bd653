"""A lock has one holder, can be passed to another process, and is free when its last holder has ended."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from recommender.system.file_locks import holding, is_held, is_lock_of, take_lock


def test_a_lock_is_taken_once_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    lock = take_lock(path, 0.0)
    assert lock is not None
    assert is_held(path)
    assert take_lock(path, 0.0) is None
    os.close(lock)
    assert not is_held(path)
    again = take_lock(path, 0.0)
    assert again is not None
    os.close(again)


def test_a_lock_is_of_the_folder_until_that_is_removed_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "models" / "lock"
    path.parent.mkdir()
    lock = take_lock(path, 0.0)
    assert lock is not None
    assert is_lock_of(lock, path)
    path.parent.rename(tmp_path / "away")
    assert not is_lock_of(lock, path)
    path.parent.mkdir()
    other = take_lock(path, 0.0)
    assert other is not None
    assert not is_lock_of(lock, path)
    assert is_lock_of(other, path)
    os.close(lock)
    os.close(other)


def test_a_process_that_is_given_a_lock_holds_it_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = take_lock(path, 0.0)
    assert lock is not None
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(lock,)) as process:  # noqa: S603 - ours
        os.close(lock)
        assert is_held(path)
        process.kill()
    assert not is_held(path)


def test_a_waiting_process_gets_the_lock_when_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = take_lock(path, 0.0)
    assert lock is not None
    release = threading.Timer(0.1, os.close, [lock])
    release.start()
    with holding(path, 60.0, TimeoutError()):
        assert is_held(path)
    release.join()
    assert not is_held(path)


def test_a_wait_for_a_lock_ends_in_the_given_error(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holding(path, 0.0, TimeoutError()):
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="busy"), holding(path, 0.1, TimeoutError("busy")):
            pass
        assert time.monotonic() - began >= 0.1
        assert is_held(path)


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "lock", tmp_path / "elsewhere"
    path.symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"):
        take_lock(path, 0.0)
    assert not elsewhere.exists()
    with holding(elsewhere, 0.0, TimeoutError()):
        assert not is_held(path)


def test_a_file_system_without_locks_is_named_and_keeps_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = list(Path("/proc/self/fd").iterdir())
    with pytest.raises(OSError, match="file system does not support locks"):
        take_lock(tmp_path / "lock", 0.0)
    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)
