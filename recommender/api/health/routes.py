"""The endpoints for monitors and load balancers."""

import time
from http import HTTPStatus

from flask import Blueprint, Response

from recommender import __version__
from recommender.api.concurrency import ConcurrencyLimits, Occupancy
from recommender.api.endpoints import Answer, Endpoint
from recommender.api.health import examples
from recommender.api.health.schemas import (
    CatalogueAnswer,
    HealthAnswer,
    HeldBackAnswer,
    LaneAnswer,
    LoadAnswer,
    ModelAnswer,
    ReadyAnswer,
    RefusedModelAnswer,
)
from recommender.api.responses import json_response
from recommender.api.tags import SERVICE_TAG
from recommender.catalog.gate import HeldBack
from recommender.catalog.status import CatalogStatus
from recommender.serving.status import ModelStatus, Readiness, Status, StatusReader

health_blueprint = Blueprint("health", __name__)


@Endpoint(
    health_blueprint,
    "GET",
    "/health",
    name="getHealth",
    tag=SERVICE_TAG,
    summary="Whether the service is alive",
    description="Touches no database.",
    answers=(Answer(HealthAnswer, examples.HEALTH),),
    scope=None,
)
def get_health() -> HealthAnswer:
    """Alive; says nothing about the databases and touches none."""
    return HealthAnswer(status="healthy", service="ml-service", version=__version__)


def ready_blueprint(status_reader: StatusReader, limiters: ConcurrencyLimits) -> Blueprint:
    """Return the blueprint of /ready, which tells load balancers whether to send requests."""
    blueprint = Blueprint("ready", __name__)
    ready, unavailable = HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE

    @Endpoint(
        blueprint,
        "GET",
        "/ready",
        name="getReady",
        tag=SERVICE_TAG,
        summary="Whether requests are worth sending",
        description="Touches no database.",
        answers=(
            Answer(ReadyAnswer, examples.READY, ready, "Useful answers can be given, complete or not."),
            Answer(ReadyAnswer, examples.UNAVAILABLE, unavailable, "No useful answer can be given."),
        ),
        scope=None,
    )
    def get_ready() -> Response:
        answer = _ready_of(status_reader.read(), limiters)
        useless = answer["status"] is Readiness.UNAVAILABLE
        return json_response(answer, unavailable if useless else ready)

    return blueprint


def _ready_of(status: Status, limiters: ConcurrencyLimits) -> ReadyAnswer:
    answer = ReadyAnswer(
        status=status.readiness,
        databases={name.value: state for name, state in status.databases.items()},
        catalogue=None if status.catalog is None else _catalog_of(status.catalog),
        model=model_of(status.model),
        load=LoadAnswer(
            pages=_load_of(limiters.pages.occupancy),
            batches=_load_of(limiters.batches.occupancy),
            streams=_load_of(limiters.streams.occupancy),
        ),
    )
    if status.experiment_models:
        answer["experiment_models"] = {
            name: model_of(model) for name, model in status.experiment_models.items()
        }
    if status.stopped:
        answer["stopped"] = list(status.stopped)
    return answer


def _load_of(occupancy: Occupancy) -> LaneAnswer:
    return LaneAnswer(
        working=occupancy.working,
        max_working=occupancy.max_working,
        open=occupancy.open,
        max_open=occupancy.max_open,
        saturated=occupancy.open >= occupancy.max_open,
    )


def _catalog_of(catalog: CatalogStatus) -> CatalogueAnswer:
    return CatalogueAnswer(
        age_seconds=round(catalog.age_s, 1),
        media=catalog.item_count,
        index=catalog.version,
        held_back=None if catalog.held_back is None else _held_back_of(catalog.held_back),
    )


def _held_back_of(held_back: HeldBack) -> HeldBackAnswer:
    return HeldBackAnswer(
        media=held_back.item_count,
        since_seconds=round(time.monotonic() - held_back.since, 1),
        reason=held_back.reason,
    )


def model_of(model: ModelStatus) -> ModelAnswer:
    """Return the model that answers, and the published one that is refused, if any."""
    answer = ModelAnswer(name=model.name, version=model.version)
    if model.refused is not None:
        answer["refused"] = RefusedModelAnswer(version=model.refused.version, reason=model.refused.reason)
    return answer
