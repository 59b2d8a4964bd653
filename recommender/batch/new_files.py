"""Open drafts of files as new files."""

from pathlib import Path
from typing import BinaryIO


def open_new(path: Path) -> BinaryIO:
    """Open a new file for writing, in place of whatever has its name.

    Writing to an existing one would change what a link points to. `x` follows no link either.

    Raises:
        OSError: it cannot be made.
    """
    path.unlink(missing_ok=True)
    return path.open("xb")
