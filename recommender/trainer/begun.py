"""A note of the run under way, by which the next run or trainer finds one that was killed unrecorded."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from recommender import __version__
from recommender.errors import ArtifactError
from recommender.model_store.folders import make_readable_folder, replace_text
from recommender.model_store.runs import (
    TrainingOutcome,
    TrainingRun,
    Trigger,
    next_run_number,
    write_run,
)
from recommender.model_store.small_files import read_small_json
from recommender.system.clock import utc_now

logger = logging.getLogger(__name__)

# In the folder of the models.
_FILE = ".begun.json"
_WITHOUT_RECORD = "It ended without a record: for example, memory ran out."


class BegunRun(BaseModel):
    """A training run that has begun: the number of its record, when it began, and why."""

    # Fields of a newer release are ignored: the number, time and reason are true without them.
    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    started_at: AwareDatetime
    trigger: Trigger


@contextlib.contextmanager
def noted(folder: Path, trigger: Trigger) -> Iterator[BegunRun]:
    """Note a run that begins until the block ends: the note stays only if this process is killed."""
    run = BegunRun(number=next_run_number(folder), started_at=utc_now(), trigger=trigger)
    try:
        write_begun(folder, run)
    except OSError as exc:
        logger.error("training run %d cannot be recorded: %s", run.number, exc)
    try:
        yield run
    finally:
        # Meanwhile, another run may have begun.
        if read_begun(folder) == run:
            remove_begun(folder)


def record_killed_run(folder: Path) -> bool:
    """Record a run that was killed unrecorded as failed; return whether there is one.

    Args:
        folder: of the models, in which no run is under way.
    """
    run = read_begun(folder)
    was_killed = run is not None and next_run_number(folder) <= run.number
    if run is not None and was_killed:
        logger.error("training run %d ended without a record", run.number)
        record_failure(folder, run, _WITHOUT_RECORD)
    remove_begun(folder)
    return was_killed


def record_failure(folder: Path, run: BegunRun, reason: str) -> None:
    """Record a run that could not do so itself, if the folder can be written."""
    try:
        write_run(
            folder,
            TrainingRun(
                number=run.number,
                started_at=run.started_at.isoformat(),
                ended_at=utc_now().isoformat(),
                trigger=run.trigger,
                outcome=TrainingOutcome.FAILED,
                reason=reason,
                code_version=__version__,
            ),
        )
    except OSError as exc:
        logger.error("training run %d cannot be recorded: %s", run.number, exc)


def write_begun(folder: Path, run: BegunRun) -> None:
    """Note that a run begins.

    Raises:
        OSError: the folder of the models cannot be written.
    """
    make_readable_folder(folder)
    replace_text(folder / _FILE, run.model_dump_json() + "\n")


def read_begun(folder: Path) -> BegunRun | None:
    """Return the run that is noted; None if there is none, or the note cannot be read."""
    with contextlib.suppress(OSError, ArtifactError, ValidationError):
        return BegunRun.model_validate_json(read_small_json(folder / _FILE))
    return None


def remove_begun(folder: Path) -> None:
    """Remove the note, if it can be removed."""
    with contextlib.suppress(OSError):
        (folder / _FILE).unlink()
