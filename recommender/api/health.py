"""The endpoints for monitors and load balancers."""

import time
from http import HTTPStatus
from typing import NotRequired

from flask import Blueprint, Response
from pydantic import with_config
from typing_extensions import TypedDict  # Pydantic asks for this one before Python 3.12.

from recommender import __version__
from recommender.api.concurrency import Lanes, Occupancy
from recommender.api.responses import json_response
from recommender.catalogue.gate import HeldBack, HoldReason
from recommender.catalogue.refresh import CatalogueStatus
from recommender.domain import DatabaseState
from recommender.serving.status import ModelStatus, Readiness, Status, StatusReader

health_blueprint = Blueprint("health", __name__)
_described = with_config(use_attribute_docstrings=True)


class HealthAnswer(TypedDict):
    """The service is alive."""

    status: str
    service: str
    version: str


@_described
class HeldBackAnswer(TypedDict):
    """A later load of the catalogue that is not used, as too much is missing from it."""

    media: int
    """How many media it found."""
    since_seconds: float
    """Since it was first found so."""
    reason: HoldReason
    """What is missing: all media, too many media, their genres, or the interactions that make popularity."""


@_described
class CatalogueAnswer(TypedDict):
    """What is kept of the catalogue in memory."""

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
    """None where what is published is no version."""
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
    load: LoadAnswer
    stopped: NotRequired[list[str]]
    """Only where there are any: background threads that have ended and could not be started again."""


@health_blueprint.get("/health")
def get_health() -> Response:
    """Alive; says nothing about the databases and touches none."""
    return json_response(HealthAnswer(status="healthy", service="ml-service", version=__version__))


def ready_blueprint(status_reader: StatusReader, lanes: Lanes) -> Blueprint:
    """The endpoint that says whether requests are worth sending."""
    blueprint = Blueprint("ready", __name__)

    @blueprint.get("/ready")
    def get_ready() -> Response:
        status = status_reader.read()
        answer = _ready_of(status, lanes)
        useless = answer["status"] is Readiness.UNAVAILABLE
        return json_response(answer, HTTPStatus.SERVICE_UNAVAILABLE if useless else HTTPStatus.OK)

    return blueprint


def _ready_of(status: Status, lanes: Lanes) -> ReadyAnswer:
    answer = ReadyAnswer(
        status=status.readiness,
        databases={name.value: state for name, state in status.databases.items()},
        catalogue=None if status.catalogue is None else _catalogue_of(status.catalogue),
        model=_model_of(status.model),
        load=LoadAnswer(
            pages=_lane_of(lanes.pages.occupancy),
            batches=_lane_of(lanes.batches.occupancy),
            streams=_lane_of(lanes.streams.occupancy),
        ),
    )
    if status.stopped:
        answer["stopped"] = list(status.stopped)
    return answer


def _lane_of(occupancy: Occupancy) -> LaneAnswer:
    return LaneAnswer(
        working=occupancy.working,
        max_working=occupancy.max_working,
        open=occupancy.open,
        max_open=occupancy.max_open,
        saturated=occupancy.open >= occupancy.max_open,
    )


def _catalogue_of(catalogue: CatalogueStatus) -> CatalogueAnswer:
    return CatalogueAnswer(
        age_seconds=round(catalogue.age_s, 1),
        media=catalogue.media,
        index=catalogue.version,
        held_back=None if catalogue.held_back is None else _held_back_of(catalogue.held_back),
    )


def _held_back_of(held_back: HeldBack) -> HeldBackAnswer:
    return HeldBackAnswer(
        media=held_back.media,
        since_seconds=round(time.monotonic() - held_back.since, 1),
        reason=held_back.reason,
    )


def _model_of(model: ModelStatus) -> ModelAnswer:
    answer = ModelAnswer(name=model.name, version=model.version)
    if model.refused is not None:
        answer["refused"] = RefusedModelAnswer(version=model.refused.version, reason=model.refused.reason)
    return answer
