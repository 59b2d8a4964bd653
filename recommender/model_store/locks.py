"""Lock folders between processes, with a file that one process holds at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from recommender.errors import ArtifactError
from recommender.model_store.folders import make_readable_folder
from recommender.system.file_locks import holding

_LOCK = ".lock"
# The work under the store's lock takes milliseconds.
_STORE_PATIENCE_S = 10.0


@contextlib.contextmanager
def model_lock(home: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of a model's folder, so that one run at a time trains it.

    Args:
        home: the folder.
        wait_s: how many seconds to wait for another process to release it.

    Raises:
        ArtifactError: another process holds it.
        OSError: the folder cannot be made or written.
    """
    with _held(
        home,
        wait_s,
        f"{home}: another run is training this model. Nothing is published. Wait until that run ends.",
    ):
        yield


@contextlib.contextmanager
def store_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder of all models, while a name is reserved or a link is set.

    Raises:
        ArtifactError: another process has held it for 10 seconds.
        OSError: the folder cannot be made or written.
    """
    with _held(
        folder, _STORE_PATIENCE_S, f"{folder}: another process is changing the models. Try again later."
    ):
        yield


@contextlib.contextmanager
def _held(folder: Path, patience_s: float, busy: str) -> Iterator[None]:
    make_readable_folder(folder)
    with holding(folder / _LOCK, patience_s, ArtifactError(busy)):
        yield
