"""The folder in memory, for files that tests write."""

import os
import shutil
from pathlib import Path

# For the write-ahead log and the databases of all test processes, and the files of tests.
_ROOM_MB = 4000


def folder_in_memory() -> Path | None:
    """Return Linux' folder in memory, for data that may be lost; None if it is missing or too small.

    A database has some 300 files. Copying them on a disk takes several times as long.
    """
    folder = Path("/dev/shm")  # noqa: S108 - only the parent of folders with names of their own
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < _ROOM_MB * 1_000_000:
        return None
    return folder
