"""Lock folders between processes, with a file that one process holds at a time."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from recommender.errors import ArtifactError
from recommender.model_store.folders import make_readable_folder

_LOCK = ".lock"
_LOCK_MODE = 0o644
_POLL_S = 0.05
# The work under the store's lock takes milliseconds.
_STORE_PATIENCE_S = 10.0


@contextlib.contextmanager
def model_lock(home: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of a model's folder, so that one run at a time trains it.

    Args:
        home: the folder.
        wait_s: how many seconds to wait for another process to release it.

    Raises:
        ArtifactError: another process holds it.
        OSError: the folder cannot be made or written.
    """
    with _held(
        home,
        wait_s,
        f"{home}: another run is training this model. Nothing is published. Wait until that run ends.",
    ):
        yield


@contextlib.contextmanager
def store_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder of all models, while a name is reserved or a link is set.

    Raises:
        ArtifactError: another process has held it for 10 seconds.
        OSError: the folder cannot be made or written.
    """
    with _held(
        folder, _STORE_PATIENCE_S, f"{folder}: another process is changing the models. Try again later."
    ):
        yield


@contextlib.contextmanager
def _held(folder: Path, patience_s: float, busy: str) -> Iterator[None]:
    make_readable_folder(folder)
    # Never removed: otherwise two processes could hold locks of different files with this name.
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _LOCK_MODE)
    try:
        deadline = time.monotonic() + patience_s
        while not _try_lock(lock):
            if time.monotonic() >= deadline:
                raise ArtifactError(busy)
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
