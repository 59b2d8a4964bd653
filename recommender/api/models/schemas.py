"""What is told of trained models."""

from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict  # Pydantic asks for this one before Python 3.12.

from recommender.api.health.schemas import ModelAnswer
from recommender.model_store.runs import Outcome, Trigger

_described = with_config(use_attribute_docstrings=True)


@_described
class IntervalAnswer(TypedDict):
    """A mean over users, and its 95 % interval."""

    mean: float
    low: float
    high: float


@_described
class BlendAnswer(TypedDict):
    """How two scores become one."""

    content_weight: float
    collaborative_weight: float
    content: str
    """What the content score is worked out from: `stated` or `profile`."""


@_described
class FingerprintAnswer(TypedDict):
    """Tells one dataset from another."""

    first_at: str | None
    last_at: str | None
    """The times of its earliest and its latest interaction."""
    ids_checksum: str
    """SHA-256 of all ids of users and items."""


@_described
class MadeAnswer(TypedDict):
    """What a version says of itself."""

    built_at: str
    made_by: str
    """The command or the trainer."""
    run: int | None
    """The training run that chose it."""
    host: str
    code_version: str
    hyperparameters: dict[str, Any]
    counts: dict[str, int]
    """How many users, media and pairs it has learned from, and how many media it knows."""
    window_start: str
    fingerprint: FingerprintAnswer
    metrics: dict[str, IntervalAnswer]
    """What it was chosen by."""
    blend: BlendAnswer | None
    """What it was chosen with; null for what is configured."""
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
    """Whether it was current before the present one."""
    made: MadeAnswer | None
    """Null where it cannot be read."""
    fault: str | None
    """Why it cannot be used: it cannot be read, or was made before a user was forgotten."""


@_described
class ComparedAnswer(TypedDict):
    """A way of ranking that a training run compared."""

    name: str
    model: str | None
    hyperparameters: dict[str, Any]
    blend: BlendAnswer
    metric: IntervalAnswer | None
    against_champion: IntervalAnswer | None
    """By how much it is better than the champion, user by user."""
    refused: str | None
    """Why it could not be measured."""


@_described
class SearchedAnswer(TypedDict):
    """A way of ranking that a training run tried, before the stretch of time that it compared on."""

    name: str
    mean: float
    against_popularity: IntervalAnswer
    """By how much it is better than popular media, user by user."""


@_described
class TrainingRunAnswer(TypedDict):
    """A training run."""

    number: int
    started_at: str
    ended_at: str
    trigger: Trigger
    outcome: Outcome
    reason: str
    """Why what was published was, or why nothing was."""
    champion: str | None
    """What the others were compared with."""
    chosen: str | None
    """What serves afterwards."""
    model: str | None
    version: str | None
    """What was published."""
    metric: str | None
    users: int | None
    split: str | None
    """By what, for how many users and on which stretch of time it was compared."""
    fingerprint: FingerprintAnswer | None
    """Of the data that what was published has learned from."""
    counts: dict[str, int]
    """How many interactions, users, media and pairs there were, as far as the run came to count them."""
    code_version: str
    host: str
    compared: list[ComparedAnswer]
    """The best first."""
    searched: list[SearchedAnswer]
    """How what was compared with the champion was found: the best first, at most 20."""
    tried: int
    """How many were tried in the search."""
    left_out: list[str]
    """What was not tried, or could not be, and why."""


@_described
class ModelsAnswer(TypedDict):
    """The trained models there are, and how they came to be."""

    serving: ModelAnswer
    """What scores in the process that answers."""
    versions: list[VersionAnswer]
    """The latest first."""
    runs: list[TrainingRunAnswer]
    """The latest first."""
    limit: int
