"""The endpoint for monitors."""

from flask import Blueprint, Response

from recommender import __version__
from recommender.api.responses import json_response

health_blueprint = Blueprint("health", __name__)


@health_blueprint.get("/health")
def get_health() -> Response:
    """Alive; says nothing about the databases and touches none."""
    return json_response({"status": "healthy", "service": "ml-service", "version": __version__})
