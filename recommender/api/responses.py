"""Answers as JSON."""

from collections.abc import Mapping

import orjson
from flask import Response

from recommender.telemetry import JSON, stage


def json_response(payload: Mapping[str, object], status: int = 200) -> Response:
    """A JSON answer."""
    with stage(JSON):
        data = orjson.dumps(payload)
    return Response(data, status=status, mimetype="application/json")
