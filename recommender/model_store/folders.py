"""Make folders and files that workers can read, whichever user writes them."""

import os
import re
import stat
import tempfile
from pathlib import Path

# The workers may run as another user than the trainer, whose umask may be restrictive.
_FOLDER_MODE, _FILE_MODE = 0o755, 0o644
# What `mkstemp` adds.
_DRAFT_SUFFIX = re.compile(r"\.[a-z0-9_]{8}")


def make_readable_folder(path: Path) -> None:
    """Make a folder and its missing parents, all readable by every user; existing ones do not change.

    Raises:
        OSError: it cannot be made.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        make_readable(each)


def make_readable(path: Path) -> None:
    """Let every user read a file, or list and enter a folder.

    Raises:
        OSError: it belongs to another user.
    """
    mode = path.stat().st_mode
    path.chmod(stat.S_IMODE(mode) | (_FOLDER_MODE if stat.S_ISDIR(mode) else _FILE_MODE))


def is_draft(name: str, of: str) -> bool:
    """Return whether a file is what a killed `replace_text` left of a file of that name."""
    return name.startswith(f".{of}.") and _DRAFT_SUFFIX.fullmatch(name.removeprefix(f".{of}")) is not None


def replace_text(path: Path, text: str) -> None:
    """Write a file that every user can read by a single rename: readers see the old or the new content.

    Raises:
        OSError: the folder cannot be written; the old file stays. The error names the file.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            # Sync before the rename: after a power cut, the new name must not refer to an empty file.
            file.flush()
            os.fsync(descriptor)
        make_readable(aside)
        aside.replace(path)
    except BaseException as exc:
        aside.unlink(missing_ok=True)
        if isinstance(exc, OSError) and exc.filename is None:
            # As of a full disk: what is written to has no name by then.
            raise OSError(exc.errno, exc.strerror, str(path)) from exc
        raise
