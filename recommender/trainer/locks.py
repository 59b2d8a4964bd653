"""Locks that allow one trainer, and one training run at a time, for a folder of models."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from recommender.errors import TrainingUnderWayError
from recommender.model_store.folders import make_readable_folder

# In the folder of the models. Never removed: otherwise two processes could hold locks of different files.
TRAINER_LOCK = ".trainer.lock"
RUN_LOCK = ".training.lock"
_MODE = 0o644
# Retried, because `is_held` holds a lock for an instant, too.
_ATTEMPTS, _PAUSE_S = 5, 0.02


def take_lock(path: Path) -> int | None:
    """Take a lock; return None if another process holds it.

    Returns:
        A file descriptor. The lock is held until all processes that have the descriptor have closed it.

    Raises:
        OSError: the folder cannot be made or written.
    """
    make_readable_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        time.sleep(_PAUSE_S)
    os.close(descriptor)
    return None


def is_lock_of(descriptor: int, path: Path) -> bool:
    """Return whether a held lock is still that of the folder, which may have been replaced."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder of the models for a training run.

    Raises:
        TrainingUnderWayError: another run holds it.
        OSError: the folder cannot be made or written.
    """
    descriptor = take_lock(folder / RUN_LOCK)
    if descriptor is None:
        raise TrainingUnderWayError(f"{folder}: another training run is under way. Wait until it ends.")
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether a process holds a lock; false if that cannot be determined."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
