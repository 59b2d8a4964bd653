"""The folder through which Gunicorn's workers share the catalog index."""

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "marquee-catalog-"
# Locked while a master or worker of the start runs; a killed one leaves its folder, but not the lock.
_LOCK = ".lock"


@functools.cache
def catalog_folder() -> Path | None:
    """Return this start's folder, made empty at the first call; None if that fails: each worker loads alone.

    Folders of killed services are removed. A reload, which runs the configuration again, keeps the folder:
    its old workers still use it.
    """
    try:
        home = Path(tempfile.gettempdir())
        _remove_abandoned(home)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
    except OSError:
        return None
    with contextlib.suppress(OSError):
        # Gets its name once it is locked: another service that starts now must not find it free. Workers
        # inherit the descriptor, which is never closed.
        new_lock = folder / f"{_LOCK}-new"
        descriptor = os.open(new_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new_lock.rename(folder / _LOCK)
    return folder


def remove_catalog_folder() -> None:
    """Remove the folder of this start."""
    folder = catalog_folder()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(home: Path) -> None:
    """Remove this user's folders of services that have ended."""
    for folder in home.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), _free_lock(folder):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _free_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of this user.

    Raises:
        OSError: it is another user's, has no lock file, as while it is being made, or its service still runs.
    """
    if folder.lstat().st_uid != os.geteuid():
        raise PermissionError
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
