"""Locks that allow one trainer, and one training run at a time, for a folder of models."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from recommender.errors import TrainingUnderWayError
from recommender.model_store.currents import refuse_without_links
from recommender.model_store.folders import make_readable_folder
from recommender.system.file_locks import holding, take_lock

# In the folder of the models.
TRAINER_LOCK = ".trainer.lock"
RUN_LOCK = ".training.lock"
# `is_held` holds a lock for an instant, too.
_PATIENCE_S = 0.1


def take_trainer_lock(folder: Path) -> int | None:
    """Take the lock of the folder of the models for a trainer; return None if another process holds it.

    Returns:
        A file descriptor. The lock is held until all processes that have the descriptor have closed it.

    Raises:
        OSError: the folder cannot be made or written, or its file system does not support locks or symbolic
            links.
    """
    make_readable_folder(folder)
    lock = take_lock(folder / TRAINER_LOCK, _PATIENCE_S)
    if lock is not None:
        try:
            refuse_without_links(folder)
        except OSError:
            os.close(lock)
            raise
    return lock


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder of the models for a training run.

    Raises:
        TrainingUnderWayError: another run holds it.
        OSError: the folder cannot be made or written.
    """
    make_readable_folder(folder)
    busy = TrainingUnderWayError(f"{folder}: another training run is under way. Wait until it ends.")
    with holding(folder / RUN_LOCK, _PATIENCE_S, busy):
        yield
