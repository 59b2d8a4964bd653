"""Where Gunicorn's workers share what they read of the catalogue."""

import functools
import shutil
import tempfile
from pathlib import Path


@functools.cache
def catalogue_folder() -> Path | None:
    """Make an empty folder for this start; None where that fails, and each worker loads for itself.

    A reload, which runs the configuration again, keeps the folder: its old workers still use it.
    """
    try:
        return Path(tempfile.mkdtemp(prefix="marquee-catalogue-"))
    except OSError:
        return None


def remove_catalogue() -> None:
    """Remove the folder."""
    folder = catalogue_folder()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
