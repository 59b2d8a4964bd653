"""The folder through which Gunicorn's workers share the catalog index."""

import functools
import shutil
from pathlib import Path

from config.temporary_folders import FolderPurpose, make_temporary_folder, remove_abandoned_folders


@functools.cache
def catalog_folder() -> Path | None:
    """Return this start's folder, made empty at the first call; None if that fails: each worker loads alone.

    Folders of killed services are removed. A reload, which runs the configuration again, keeps the folder:
    its old workers still use it. Workers inherit the descriptor of its lock, which is never closed.
    """
    try:
        remove_abandoned_folders()
        return make_temporary_folder(FolderPurpose.CATALOG).path
    except OSError:
        return None


def remove_catalog_folder() -> None:
    """Remove the folder of this start."""
    folder = catalog_folder()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
