"""Temporary folders that a later process removes if the one that made them was killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

# Locked while a process uses the folder; a killed one leaves its folder, but not the lock.
_LOCK = ".lock"
# In the folder of a catalog: held by one of its workers.
_LOCKS_OF_WORKERS = "*/lock"


class FolderPurpose(StrEnum):
    """What a folder is for. The value is how its name begins."""

    CATALOG = "marquee-catalog-"
    REPLAY = "marquee-replay-"


class LockedFolder(NamedTuple):
    """A folder. `lock`: the descriptor of its lock, which forks inherit; None if it cannot be locked."""

    path: Path
    lock: int | None


def make_temporary_folder(purpose: FolderPurpose) -> LockedFolder:
    """Make an empty folder that only this user can enter, and lock it.

    Raises:
        OSError: it cannot be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=purpose))
    with contextlib.suppress(OSError):
        # Gets its name once it is locked: another process that starts now must not find it free.
        new_lock = folder / f"{_LOCK}-new"
        descriptor = os.open(new_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new_lock.rename(folder / _LOCK)
        except OSError:
            os.close(descriptor)
            raise
        return LockedFolder(folder, descriptor)
    return LockedFolder(folder, None)


@contextlib.contextmanager
def temporary_folder(purpose: FolderPurpose) -> Iterator[Path]:
    """Yield an empty folder, and remove it at the end; first remove those of killed processes.

    Raises:
        OSError: it cannot be made.
    """
    remove_abandoned_folders()
    folder = make_temporary_folder(purpose)
    try:
        yield folder.path
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
        if folder.lock is not None:
            os.close(folder.lock)


def remove_abandoned_folders() -> None:
    """Remove this user's folders of processes that have ended."""
    try:
        home = Path(tempfile.gettempdir())
    except OSError:
        # No folder can be written.
        return
    for purpose in FolderPurpose:
        for folder in home.glob(f"{purpose}*"):
            with contextlib.suppress(OSError), _free_lock(folder):
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _free_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of this user.

    Raises:
        OSError: it is another user's, has no lock file, as while it is being made, or is still in use.
    """
    if folder.lstat().st_uid != os.geteuid():
        raise PermissionError
    with contextlib.ExitStack() as held:
        for path in _locks_of(folder):
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _locks_of(folder: Path) -> list[Path]:
    """Return the lock file of a folder, or those of its workers: a cleaner may have removed the first."""
    own = folder / _LOCK
    return [own] if own.exists() else list(folder.glob(_LOCKS_OF_WORKERS)) or [own]
