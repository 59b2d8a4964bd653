"""The endpoints for monitors and load balancers."""

from http import HTTPStatus

from flask import Blueprint, Response

from recommender import __version__
from recommender.api.concurrency import ConcurrencyLimits
from recommender.api.endpoints import Answer, Endpoint
from recommender.api.health import examples
from recommender.api.health.schemas import HealthAnswer, ReadyAnswer
from recommender.api.health.serializers import ready_of
from recommender.api.responses import json_response
from recommender.api.tags import SERVICE_TAG
from recommender.serving.status import Readiness, StatusReader

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
    """Return that the process answers; the databases may be down."""
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
        answer = ready_of(status_reader.read(), limiters)
        is_unavailable = answer["status"] is Readiness.UNAVAILABLE
        return json_response(answer, unavailable if is_unavailable else ready)

    return blueprint
