"""Types of the answers of /health and /ready."""

from typing import NotRequired

from pydantic import with_config
from typing_extensions import TypedDict  # Required by pydantic before Python 3.12.

from recommender.catalog.gate import HoldReason
from recommender.entities import DatabaseName, DatabaseState
from recommender.serving.status import Readiness

_described = with_config(use_attribute_docstrings=True)


class HealthAnswer(TypedDict):
    """The service is alive."""

    status: str
    service: str
    version: str


@_described
class HeldBackAnswer(TypedDict):
    """A newer load of the catalog that is not used, because too much is missing."""

    media: int
    """Number of media found."""
    since_seconds: float
    """Seconds since this was first found."""
    reason: HoldReason
    """What is missing: all media, too many media, their genres, or the interactions behind popularity."""


@_described
class CatalogueAnswer(TypedDict):
    """The catalog index in memory."""

    age_seconds: float
    """Seconds since its media were read."""
    popularity_age_seconds: float | None
    """Seconds since popularity was counted. Null until then."""
    media: int
    """Number of media that can be recommended."""
    index: str
    """Its version."""
    held_back: HeldBackAnswer | None
    unread: NotRequired[list[DatabaseName]]
    """Only if there are any: databases that the last load could not read. It used what was read before."""


@_described
class RefusedModelAnswer(TypedDict):
    """A published model that is not used."""

    version: str | None
    """Null if nothing is published, or something that is no version."""
    reason: str


@_described
class ModelAnswer(TypedDict):
    """What scores."""

    name: str
    """`live`, or a trained model such as `neighbours`."""
    version: str | None
    refused: NotRequired[RefusedModelAnswer]
    """Only if a published model is refused: the model named above answers instead."""


@_described
class LaneAnswer(TypedDict):
    """Numbers of requests of one kind in the process."""

    working: int
    """Requests that are worked on."""
    max_working: int
    open: int
    """Those, those that wait, and those whose answers are being sent."""
    max_open: int
    """The limit of `open`. Further requests get 503."""
    saturated: bool


@_described
class LoadAnswer(TypedDict):
    """The load of the process that answers."""

    pages: LaneAnswer
    """Requests for one user or for media."""
    batches: LaneAnswer
    streams: LaneAnswer


@_described
class ReadyAnswer(TypedDict):
    """Whether the service can give useful answers."""

    status: Readiness
    """`degraded`: answers lack something. `unavailable`: no answers can be given."""
    databases: dict[str, DatabaseState]
    """State of `user_db`, `catalog_db` and `engagement_db` at the last query."""
    catalogue: CatalogueAnswer | None
    """Null until it has been read once."""
    held_back: NotRequired[HeldBackAnswer]
    """Only if `catalogue` is null because what was read is not used."""
    load_failure: NotRequired[str]
    """Only if the last load of the catalog ended in an error: which. A database that is down is none."""
    model: ModelAnswer
    experiment_models: NotRequired[dict[str, ModelAnswer]]
    """Only if experiments name models: the model that answers for each, by that name. It has `refused` if the
    named one is refused or not published."""
    load: LoadAnswer
    stopped: NotRequired[list[str]]
    """Only if there are any: background threads that ended and could not be restarted."""
