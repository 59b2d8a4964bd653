"""The endpoints about media for nobody in particular."""

import time

from flask import Blueprint, Response, request

from recommender.answers import popular_of, similar_of
from recommender.api.concurrency import Lane
from recommender.api.parsing import parse_id, parse_query
from recommender.api.problems import ErrorCode
from recommender.api.request_models import RequestLimits, request_models
from recommender.api.responses import json_response
from recommender.serving.media import MediaService
from recommender.telemetry import JSON, stage


def media_blueprint(media: MediaService, limits: RequestLimits, lane: Lane) -> Blueprint:
    """Endpoints that answer from `media`, as `lane` admits."""
    blueprint = Blueprint("media", __name__, url_prefix=f"/api/{limits.domain.plural}")
    models = request_models(limits)

    @blueprint.get("/popular")
    def get_popular() -> Response:
        query = parse_query(request.args, models.popular)
        asked_at = time.monotonic()
        with lane.limit():
            popular = media.popular(
                query.page, query.filters, query.window_days, index_version=query.index, asked_at=asked_at
            )
        with stage(JSON):
            content = popular_of(popular, query.page)
        return json_response(content)

    @blueprint.get("/<media_id>/similar")
    def get_similar(media_id: str) -> Response:
        canonical_id = parse_id(media_id, limits.media_id_form, "media_id", ErrorCode.INVALID_MEDIA_ID)
        query = parse_query(request.args, models.similar)
        asked_at = time.monotonic()
        with lane.limit():
            similar = media.similar(
                canonical_id, query.page, query.filters, index_version=query.index, asked_at=asked_at
            )
        with stage(JSON):
            content = similar_of(similar, query.page)
        return json_response(content)

    return blueprint
