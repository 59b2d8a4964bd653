"""Read the state of training from the folder of the models."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from recommender.model_store.runs import FOLDER, TrainingOutcome, TrainingRun, read_runs
from recommender.system.file_locks import is_held
from recommender.system.timely import TimelyReader
from recommender.trainer.training_locks import RUN_LOCK, TRAINER_LOCK

# Seconds that readers of metrics wait for the folder.
_PATIENCE_S = 0.5
# With less space, not even the failure of a run can be recorded; with more, the record tells of it.
_RECORD_BYTES = 1_000_000


class TrainingState(NamedTuple):
    """The state of training.

    `last_success`: when the last run ended that published a version, even if it failed later, in seconds
    since 1970; 0 for never. `failed`: the last run failed. `running`: a run is under way. `blocked`: a
    trainer is wanted, but the folder of the models cannot be written, its disk is full, or no trainer can
    start.
    """

    last_success: float = 0.0
    failed: bool = False
    running: bool = False
    blocked: bool = False


class TrainingReader:
    """Read the state of training from a folder; read the records only if there is a new one."""

    def __init__(self, folder: Path, *, trains: bool) -> None:
        """Store the arguments without reading.

        Args:
            folder: of the models.
            trains: a trainer is to run beside this process.
        """
        self._folder = folder
        self._trains = trains
        self._trainer_fails: Callable[[], bool] = lambda: False
        self._seen: int | None = None
        self._known = TrainingState()
        self._last = TrainingState()
        self._reader = TimelyReader("state of training", folder, self._look, _PATIENCE_S)

    def watch(self, trainer_fails: Callable[[], bool]) -> None:
        """Also report training as blocked while this function says that no trainer can start."""
        self._trainer_fails = trainer_fails

    def read(self) -> TrainingState:
        """Return the present state; the last one if the folder's file system does not answer."""
        found = self._reader.read()
        if found is not None:
            self._last = found
        return self._last

    def _look(self) -> TrainingState:
        changed = _changed_at(self._folder / FOLDER)
        if changed != self._seen:
            self._known = _state_of(read_runs(self._folder))
            self._seen = changed
        return self._known._replace(
            running=is_held(self._folder / RUN_LOCK),
            blocked=self._trains and (self._trainer_fails() or not self._can_record()),
        )

    def _can_record(self) -> bool:
        """Return whether a run could write what it makes, and its record."""
        return (
            can_be_written(self._folder)
            and can_be_written(self._folder / FOLDER)
            and all(_can_be_opened(self._folder / name) for name in (TRAINER_LOCK, RUN_LOCK))
            and not _is_full(self._folder)
        )


def can_be_written(folder: Path) -> bool:
    """Return whether this process may write into a folder, or make it if it is missing."""
    return os.access(_existing(folder), os.W_OK | os.X_OK)


def _can_be_opened(lock: Path) -> bool:
    """Return whether this process can open a lock file, perhaps of another user; true if there is none."""
    try:
        os.close(os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
    except OSError as exc:
        return isinstance(exc, FileNotFoundError | NotADirectoryError)
    return True


def _is_full(folder: Path) -> bool:
    """Return whether a folder's disk has no space left for the record of a run."""
    try:
        return shutil.disk_usage(_existing(folder)).free < _RECORD_BYTES
    except OSError:
        return False


def _existing(folder: Path) -> Path:
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)


def _changed_at(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def _state_of(runs: Iterator[TrainingRun]) -> TrainingState:
    """Return the state by the records, given the newest first; read no more of them than needed."""
    last = next(runs, None)
    if last is None:
        return TrainingState()
    published = next((run for run in itertools.chain([last], runs) if run.version is not None), None)
    return TrainingState(
        last_success=0.0 if published is None else datetime.fromisoformat(published.ended_at).timestamp(),
        failed=last.outcome is TrainingOutcome.FAILED,
    )
