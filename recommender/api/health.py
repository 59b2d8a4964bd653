"""The endpoints for monitors and load balancers."""

from http import HTTPStatus

from flask import Blueprint, Response

from recommender import __version__
from recommender.api.responses import json_response
from recommender.status import Readiness, Status, StatusReader

health_blueprint = Blueprint("health", __name__)


@health_blueprint.get("/health")
def get_health() -> Response:
    """Alive; says nothing about the databases and touches none."""
    return json_response({"status": "healthy", "service": "ml-service", "version": __version__})


def ready_blueprint(status_reader: StatusReader) -> Blueprint:
    """The endpoint that says whether requests are worth sending."""
    blueprint = Blueprint("ready", __name__)

    @blueprint.get("/ready")
    def get_ready() -> Response:
        status = status_reader.read()
        readiness = status.readiness
        code = HTTPStatus.SERVICE_UNAVAILABLE if readiness is Readiness.UNAVAILABLE else HTTPStatus.OK
        return json_response({"status": readiness, **_details(status)}, code)

    return blueprint


def _details(status: Status) -> dict[str, object]:
    catalogue = status.catalogue
    return {
        "databases": {name.value: state for name, state in status.databases.items()},
        "catalogue": catalogue and {"age_seconds": round(catalogue.age_s, 1), "media": catalogue.media},
        "model": {"name": status.model.name, "version": status.model.version},
    }
