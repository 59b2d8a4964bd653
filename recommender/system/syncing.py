"""Wait until what was written survives a power cut."""

import errno
import os
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of files, is on the disk.

    Raises:
        OSError: it cannot be written. The error names it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        # Some network file systems cannot do that for folders.
        if exc.errno != errno.EINVAL:
            raise OSError(exc.errno, exc.strerror, str(path)) from exc
    finally:
        os.close(descriptor)
