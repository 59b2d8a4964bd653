"""Types of the answer about trained models."""

from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict  # Required by pydantic before Python 3.12.

from recommender.api.health.schemas import ModelAnswer
from recommender.model_store.runs import TrainingOutcome, Trigger

_described = with_config(use_attribute_docstrings=True)


@_described
class IntervalAnswer(TypedDict):
    """A mean over users, and its 95 % interval."""

    mean: float
    low: float
    high: float


@_described
class BlendAnswer(TypedDict):
    """The weights that combine two scores."""

    content_weight: float
    collaborative_weight: float
    content: str
    """The source of the content score: `stated` or `profile`."""


@_described
class FingerprintAnswer(TypedDict):
    """Identifies a dataset."""

    first_at: str | None
    last_at: str | None
    """Times of the earliest and the latest interaction."""
    ids_checksum: str
    """SHA-256 of all user and item ids."""


@_described
class MadeAnswer(TypedDict):
    """The metadata of a version."""

    built_at: str
    made_by: str
    """What made it: a command or the trainer."""
    run: int | None
    """The training run that chose it."""
    host: str
    code_version: str
    hyperparameters: dict[str, Any]
    counts: dict[str, int]
    """Numbers of users, media and pairs it was trained on, and of media it can score."""
    window_start: str
    fingerprint: FingerprintAnswer
    metrics: dict[str, IntervalAnswer]
    """The metrics it was chosen by."""
    blend: BlendAnswer | None
    """The weights it was chosen with; null for the configured ones."""
    shrinkage_accepted: bool
    """Whether it may replace a much larger version."""


@_described
class VersionAnswer(TypedDict):
    """A version of a model."""

    model: str
    version: str
    current: bool
    """Whether `MODEL=auto` serves it."""
    current_of_model: bool
    """Whether `MODEL` set to the model's name serves it."""
    was_current: bool
    """Whether it was current before the present version."""
    made: MadeAnswer | None
    """Null if it cannot be read."""
    fault: str | None
    """Why it cannot be used: it cannot be read, or is older than the deletion of a user."""


@_described
class ComparedAnswer(TypedDict):
    """A ranking that a training run compared."""

    name: str
    model: str | None
    hyperparameters: dict[str, Any]
    blend: BlendAnswer
    metric: IntervalAnswer | None
    against_champion: IntervalAnswer | None
    """Mean difference to the champion, paired by user."""
    refused: str | None
    """Why it could not be measured."""


@_described
class SearchedAnswer(TypedDict):
    """A ranking that the search of a training run tried, on data before the compared period."""

    name: str
    mean: float
    against_popularity: IntervalAnswer
    """Mean difference to popular media, paired by user."""


@_described
class TrainingRunAnswer(TypedDict):
    """A training run."""

    number: int
    started_at: str
    ended_at: str
    trigger: Trigger
    outcome: TrainingOutcome
    reason: str
    """Why a version was published, or none."""
    champion: str | None
    """The variant that the others were compared with."""
    chosen: str | None
    """The variant that serves afterwards."""
    model: str | None
    version: str | None
    """The version that was published."""
    metric: str | None
    users: int | None
    split: str | None
    """Metric, number of users and period of the comparison."""
    fingerprint: FingerprintAnswer | None
    """Identifies the data that the published version was trained on."""
    counts: dict[str, int]
    """Numbers of interactions, users, media and pairs, if the run got to count them."""
    code_version: str
    host: str
    compared: list[ComparedAnswer]
    """Best first."""
    searched: list[SearchedAnswer]
    """The results of the search, best first, at most 20."""
    tried: int
    """Number of variants that the search tried."""
    left_out: list[str]
    """What was not tried, and why."""


@_described
class ModelsAnswer(TypedDict):
    """All trained models and training runs."""

    serving: ModelAnswer
    """The model that scores in the process that answers."""
    versions: list[VersionAnswer]
    """The latest first."""
    runs: list[TrainingRunAnswer]
    """The latest first."""
    limit: int
