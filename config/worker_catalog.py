"""The folder through which Gunicorn's workers share the catalog index."""

import functools
import shutil
import tempfile
from pathlib import Path


@functools.cache
def catalog_folder() -> Path | None:
    """Make an empty folder for this start; None if that fails, and then each worker loads for itself.

    A reload, which runs the configuration again, keeps the folder: its old workers still use it.
    """
    try:
        return Path(tempfile.mkdtemp(prefix="marquee-catalog-"))
    except OSError:
        return None


def remove_catalog_folder() -> None:
    """Remove the folder."""
    folder = catalog_folder()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
