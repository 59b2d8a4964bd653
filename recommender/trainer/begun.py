"""A note of the run under way, by which the next trainer finds one that ended together with its trainer."""

import contextlib
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from recommender.errors import ArtifactError
from recommender.model_store.folders import make_readable_folder, replace_text
from recommender.model_store.runs import Trigger
from recommender.model_store.small_files import read_small_json

# In the folder of the models.
_FILE = ".begun.json"


class BegunRun(BaseModel):
    """A training run that has begun: the number of its record, when it began, and why."""

    # Fields of a newer release are ignored: the number, time and reason are true without them.
    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    started_at: AwareDatetime
    trigger: Trigger


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
