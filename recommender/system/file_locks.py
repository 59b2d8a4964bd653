"""Locks between processes: a file whose lock one process holds at a time."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

# Readable by all users, as the other files of the models: `is_held` opens it.
_MODE = 0o644
_POLL_S = 0.02


def take_lock(path: Path, patience_s: float) -> int | None:
    """Take the lock of a file; return None if other processes held it all the time.

    Args:
        path: of the file, which is made if it is missing. Do not remove it: otherwise two processes could
            hold locks of different files with this name.
        patience_s: how many seconds to wait for another process to release it.

    Returns:
        A file descriptor. The lock is held until all processes that have the descriptor have closed it.

    Raises:
        OSError: the file cannot be made or written, or its file system does not support locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    deadline = time.monotonic() + patience_s
    try:
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            time.sleep(_POLL_S)
    except OSError as exc:
        os.close(descriptor)
        # As of NFS without a lock daemon; the system's own words do not name the cause.
        reason = f"its file system does not support locks ({exc.strerror})"
        raise OSError(exc.errno, reason, str(path)) from exc
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def holding(path: Path, patience_s: float, busy: Exception) -> Iterator[None]:
    """Hold the lock of a file; the arguments are those of `take_lock`.

    Raises:
        Exception: `busy`, if other processes held it all the time.
        OSError: the file cannot be made or written.
    """
    descriptor = take_lock(path, patience_s)
    if descriptor is None:
        raise busy
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of a file; false if that cannot be determined."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def is_lock_of(descriptor: int, path: Path) -> bool:
    """Return whether a held lock is still that of the path, which may have been removed or replaced."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
