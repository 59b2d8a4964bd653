"""Records of training runs: the variants compared, the data, the outcome and its reason."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from recommender.errors import ArtifactError
from recommender.model_store.artifact import Fingerprint
from recommender.model_store.folders import make_readable_folder, replace_text
from recommender.model_store.small_files import read_small_json

# Beside the folders of models, none of which may have this name.
FOLDER = "runs"
_SUFFIX = ".json"
_KEPT_RUNS = 1_000
# Key in the counts of a run: roughly how many interactions engagement_db had.
ESTIMATED_INTERACTIONS = "estimated_interactions"


def _refuse_unless_aware(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("there is no time zone")
    return text


# ISO 8601.
_Moment = Annotated[str, AfterValidator(_refuse_unless_aware)]


class _Record(BaseModel):
    # Fields of a newer release are ignored: without its last run, a trainer would train at once.
    model_config = ConfigDict(frozen=True, extra="ignore")


class TrainingOutcome(StrEnum):
    """The outcome of a training run.

    `published`: a challenger was better and is the new champion. `refitted`: the champion stays, and was
    fitted to all data. `no data`: no model is published yet, and there is nothing to learn one from.
    `failed`: the run ended without a decision.
    """

    PUBLISHED = "published"
    REFITTED = "refitted"
    NO_DATA = "no data"
    FAILED = "failed"


class Trigger(StrEnum):
    """Why a run began."""

    FIRST_START = "first start"
    SCHEDULE = "schedule"
    NEW_INTERACTIONS = "new interactions"
    COMMAND = "command"


class MetricInterval(_Record):
    """A mean over users, and its 95 % interval."""

    mean: float
    low: float
    high: float


class VariantRecord(_Record):
    """A way of ranking. `refused`: why it could not be measured."""

    name: str
    model: str | None
    hyperparameters: Mapping[str, Any]
    content_weight: float
    collaborative_weight: float
    content: str
    refused: str | None = None


class ComparedVariant(VariantRecord):
    """A variant that a run compared.

    `metric`: of the variant; None if it was refused. `against_champion`: the difference to the champion,
    paired over users.
    """

    metric: MetricInterval | None = None
    against_champion: MetricInterval | None = None


class SearchedVariant(_Record):
    """A variant that was tried in the search for a challenger, on the time before the comparison.

    `mean`: of the metric. `against_popularity`: the difference to popular items, paired over users.
    """

    name: str
    mean: float
    against_popularity: MetricInterval


class TrainingRun(_Record):
    """A training run.

    `number`: of the run, counted from 1. `started_at`, `ended_at`: ISO 8601 in UTC. `reason`: why a version,
    or none, was published. `champion`: the name of the variant that the others were compared with. `chosen`:
    the name of the variant that serves afterwards. `version`: the published one. `metric`, `users`, `split`:
    the metric, number of users and time span of the comparison. `compared`: best first. `searched`: the best
    of the `tried` variants in the search for a challenger. `left_out`: variants that were not tried, and why.
    """

    number: int
    started_at: _Moment
    ended_at: _Moment
    trigger: Trigger
    outcome: TrainingOutcome
    reason: str
    champion: str | None = None
    chosen: str | None = None
    model: str | None = None
    version: str | None = None
    metric: str | None = None
    users: int | None = None
    split: str | None = None
    fingerprint: Fingerprint | None = None
    counts: Mapping[str, int] = {}
    code_version: str = ""
    host: str = ""
    compared: tuple[ComparedVariant, ...] = ()
    searched: tuple[SearchedVariant, ...] = ()
    tried: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def is_new_champion(self) -> bool:
        """Whether a challenger became the champion."""
        return self.outcome is TrainingOutcome.PUBLISHED

    @property
    def has_decided(self) -> bool:
        """Whether it ended with a decision, and so with a version."""
        return self.outcome in {TrainingOutcome.PUBLISHED, TrainingOutcome.REFITTED}

    @property
    def measured_chosen(self) -> MetricInterval | None:
        """The result of the variant that serves afterwards; None if it was not measured."""
        return next((each.metric for each in self.compared if each.name == self.chosen), None)


def next_run_number(folder: Path) -> int:
    """Return the number after those of all recorded runs."""
    return 1 + max(_numbers(folder), default=0)


def write_run(folder: Path, run: TrainingRun) -> None:
    """Write a run's record by a single rename, and remove very old records.

    Args:
        folder: of the models.
        run: with a number that no record has.

    Raises:
        OSError: the folder cannot be written.
    """
    home = folder / FOLDER
    make_readable_folder(home)
    replace_text(home / f"{run.number:06}{_SUFFIX}", run.model_dump_json(indent=2) + "\n")
    for number in sorted(_numbers(folder))[:-_KEPT_RUNS]:
        (home / f"{number:06}{_SUFFIX}").unlink(missing_ok=True)


def read_runs(folder: Path, limit: int | None = None) -> Iterator[TrainingRun]:
    """Read and yield the latest records, or all, the newest first, without unreadable ones."""
    runs = (read_run(folder, number) for number in sorted(_numbers(folder), reverse=True))
    yield from islice((run for run in runs if run is not None), limit)


def read_run(folder: Path, number: int) -> TrainingRun | None:
    """Return the record of a run; None if there is none that can be read."""
    path = folder / FOLDER / f"{number:06}{_SUFFIX}"
    with contextlib.suppress(OSError, ArtifactError, ValidationError):
        return TrainingRun.model_validate_json(read_small_json(path))
    return None


def _numbers(folder: Path) -> list[int]:
    try:
        names = [path.stem for path in (folder / FOLDER).iterdir() if path.suffix == _SUFFIX]
    except OSError:
        return []
    return [int(name) for name in names if name.isascii() and name.isdigit()]
