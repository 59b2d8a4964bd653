"""What monitors and load balancers are told."""

from typing import NotRequired

from pydantic import with_config
from typing_extensions import TypedDict  # Pydantic asks for this one before Python 3.12.

from recommender.catalog.gate import HoldReason
from recommender.entities import DatabaseState
from recommender.serving.status import Readiness

_described = with_config(use_attribute_docstrings=True)


class HealthAnswer(TypedDict):
    """The service is alive."""

    status: str
    service: str
    version: str


@_described
class HeldBackAnswer(TypedDict):
    """A later load of the catalog that is not used, as too much is missing from it."""

    media: int
    """How many media it found."""
    since_seconds: float
    """Since it was first found so."""
    reason: HoldReason
    """What is missing: all media, too many media, their genres, or the interactions that make popularity."""


@_described
class CatalogueAnswer(TypedDict):
    """What is kept of the catalog in memory."""

    age_seconds: float
    """Since it was read."""
    media: int
    """How many media may be recommended."""
    index: str
    """Its version."""
    held_back: HeldBackAnswer | None


@_described
class RefusedModelAnswer(TypedDict):
    """A published model that is not used."""

    version: str | None
    """None where what is published is no version, or nothing is published."""
    reason: str


@_described
class ModelAnswer(TypedDict):
    """What scores."""

    name: str
    """`live`, or a trained model such as `neighbours`."""
    version: str | None
    refused: NotRequired[RefusedModelAnswer]
    """Only where a model is published and refused: the one named above answers in its place."""


@_described
class LaneAnswer(TypedDict):
    """How many requests of a kind there are in the process."""

    working: int
    """Those that are worked on."""
    max_working: int
    open: int
    """Those, and those that wait or whose answers are being sent."""
    max_open: int
    """Beyond it, requests get 503."""
    saturated: bool


@_described
class LoadAnswer(TypedDict):
    """What the process that answers has to do."""

    pages: LaneAnswer
    """Requests about one user or about media."""
    batches: LaneAnswer
    streams: LaneAnswer


@_described
class ReadyAnswer(TypedDict):
    """Whether requests are worth sending."""

    status: Readiness
    """`degraded` where answers lack something, `unavailable` where none can be given."""
    databases: dict[str, DatabaseState]
    """How `user_db`, `catalog_db` and `engagement_db` did when they were last asked."""
    catalogue: CatalogueAnswer | None
    """None until it has been read once."""
    model: ModelAnswer
    experiment_models: NotRequired[dict[str, ModelAnswer]]
    """Only where experiments name models: what answers for each, by that name. One that is refused, or of
    which nothing is published, has `refused`."""
    load: LoadAnswer
    stopped: NotRequired[list[str]]
    """Only where there are any: background threads that have ended and could not be started again."""
