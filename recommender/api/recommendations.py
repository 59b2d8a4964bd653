"""The recommendation endpoints."""

import time

from flask import Blueprint, Response, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import MethodNotAllowed

from recommender.answers import BatchAnswer, one_user_of, preview_of, user_of
from recommender.api.overload import Gate
from recommender.api.parsing import MAX_STREAM_BODY_BYTES, NDJSON, parse_body, parse_id, parse_query
from recommender.api.problems import ErrorCode, broken_off
from recommender.api.request_models import RequestLimits, RequestModels
from recommender.api.responses import json_response, ndjson_response
from recommender.domain import DatabaseName, Page, Taste, UserRecommendations
from recommender.errors import NothingToRecommendFromError
from recommender.serving.recommendations import RecommendationService
from recommender.telemetry import JSON, count, counted, stage


def recommendations_blueprint(service: RecommendationService, limits: RequestLimits, gate: Gate) -> Blueprint:
    """Endpoints that answer from `service`, as `gate` admits."""
    blueprint = Blueprint("recommendations", __name__, url_prefix="/api/recommendations")
    models = RequestModels(limits)

    @blueprint.get("/<user_id>")
    def get_recommendations(user_id: str) -> Response:
        canonical_id = parse_id(user_id, limits.user_id_form, "user_id", ErrorCode.INVALID_USER_ID)
        query = parse_query(request.args, models.recommendations)
        (result,) = gate.held(service.recommend([canonical_id], query.page, query.options))
        _refuse_emptiness_by_outage(result, query.page)
        count(result, first_page=query.offset == 0)
        with stage(JSON):
            content = one_user_of(result, query.page)
        return json_response(content)

    @blueprint.post("/batch")
    def post_batch() -> Response:
        streamed = _accepts_ndjson(request.accept_mimetypes)
        if streamed:
            batch = parse_body(request, models.streamed_batch, MAX_STREAM_BODY_BYTES)
        else:
            batch = parse_body(request, models.batch)
        found = counted(gate.held(service.recommend(batch.user_ids, Page(batch.limit), batch.options)))
        if streamed:
            return ndjson_response(found, broken_off())
        results = {}
        for result in found:
            with stage(JSON):
                results[result.user_id] = user_of(result)
        return json_response(BatchAnswer(results=results, total_users=len(results)))

    @blueprint.post("/preview")
    def post_preview() -> Response:
        body = parse_body(request, models.preview)
        page = Page(body.limit)
        asked_at = time.monotonic()
        with gate.place():
            preview = service.preview(Taste(body.genres, body.liked), page, body.options, asked_at=asked_at)
        _refuse_emptiness_by_outage(preview.result, page)
        count(preview.result, first_page=True)
        with stage(JSON):
            content = preview_of(preview)
        return json_response(content)

    @blueprint.get("/batch")
    @blueprint.get("/preview")
    def get_body() -> Response:
        # Without this, "batch" would be taken for a user id.
        raise MethodNotAllowed(valid_methods=["POST", "OPTIONS"])

    return blueprint


def _accepts_ndjson(accepted: MIMEAccept) -> bool:
    """Whether it is named, and not by a quality of 0, which refuses it."""
    return any(name == NDJSON and quality > 0 for name, quality in accepted)


def _refuse_emptiness_by_outage(result: UserRecommendations, page: Page) -> None:
    """An empty list would say that there is nothing for this user; where catalog_db is down, nobody can tell.

    Raises:
        NothingToRecommendFromError: it would be such a list.
    """
    if not result.items and page.offset == 0 and DatabaseName.CATALOG in result.degraded:
        raise NothingToRecommendFromError
