"""The recommendation endpoints."""

import time
from collections.abc import Iterator

from flask import Blueprint, Response, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import MethodNotAllowed

from recommender.answers import BatchAnswer, one_user_of, preview_of, user_of
from recommender.api.concurrency import Lanes
from recommender.api.parsing import MAX_STREAM_BODY_BYTES, parse_body, parse_id, parse_query
from recommender.api.problems import BadRequestError, ErrorCode
from recommender.api.request_models import EXPLAINED_WEIGHT, BatchBody, RequestLimits, request_models
from recommender.api.responses import json_response, told_when_sent
from recommender.api.streams import NDJSON, ndjson_response
from recommender.domain import DatabaseName, Page, Taste, UserRecommendations
from recommender.errors import NothingToRecommendFromError
from recommender.serving.recommendations import RecommendationService
from recommender.telemetry import JSON, count, counted, stage

_JSON = "application/json"


def recommendations_blueprint(
    service: RecommendationService, limits: RequestLimits, lanes: Lanes
) -> Blueprint:
    """Endpoints that answer from `service`, as `lanes` admit."""
    blueprint = Blueprint("recommendations", __name__, url_prefix="/api/recommendations")
    models = request_models(limits)

    @blueprint.get("/<user_id>")
    def get_recommendations(user_id: str) -> Response:
        canonical_id = parse_id(user_id, limits.user_id_form, "user_id", ErrorCode.INVALID_USER_ID)
        query = parse_query(request.args, models.recommendations)
        found = service.recommend([canonical_id], query.page, query.options)
        with lanes.pages.limit():
            (result,) = found
        _refuse_emptiness_by_outage(result, query.page)
        count(result, first_page=query.offset == 0)
        with stage(JSON):
            content = one_user_of(result, query.page)
        return json_response(content)

    @blueprint.post("/batch")
    def post_batch() -> Response:
        return stream_batch() if _accepts_ndjson(request.accept_mimetypes) else answer_batch()

    def stream_batch() -> Response:
        with lanes.bodies.limit():
            batch = parse_body(request, models.streamed_batch, MAX_STREAM_BODY_BYTES)
        close = lanes.streams.open()
        try:
            chunks = service.recommend_in_chunks(batch.user_ids, Page(batch.limit), batch.options)
            return ndjson_response(chunks, lanes, close)
        except BaseException:
            close()
            raise

    def answer_batch() -> Response:
        with lanes.bodies.limit():
            batch = parse_body(request, models.batch)
        _refuse_more_than_fits(batch, limits.max_batch_recommendations)
        close = lanes.batches.open()
        try:
            with lanes.batches.working():
                response = _batch_response(
                    counted(service.recommend(batch.user_ids, Page(batch.limit), batch.options))
                )
        except BaseException:
            close()
            raise
        # It is open until it has been sent: a slow reader of a long answer takes a thread.
        return told_when_sent(response, close)

    @blueprint.post("/preview")
    def post_preview() -> Response:
        with lanes.bodies.limit():
            body = parse_body(request, models.preview)
        page = Page(body.limit)
        asked_at = time.monotonic()
        with lanes.pages.limit():
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


def _batch_response(found: Iterator[UserRecommendations]) -> Response:
    results = {}
    for result in found:
        with stage(JSON):
            results[result.user_id] = user_of(result)
    return json_response(BatchAnswer(results=results, total_users=len(results)))


def _refuse_more_than_fits(batch: BatchBody, max_recommendations: int) -> None:
    """An answer in one piece is made in memory, and kept there until it is sent.

    Raises:
        BadRequestError: it could be larger than allowed.
    """
    users, asked = len(batch.user_ids), len(batch.user_ids) * batch.limit
    weight = asked * (EXPLAINED_WEIGHT if batch.explain else 1)
    if weight > max_recommendations:
        counted_as = f", which explained count as {weight}" if batch.explain else ""
        raise BadRequestError(
            ErrorCode.INVALID_BODY,
            f"user_ids and limit ask for {users} x {batch.limit} recommendations{counted_as}; at most "
            f"{max_recommendations} fit into one answer. Ask for fewer at a time, or for {NDJSON}",
        )


def _accepts_ndjson(accepted: MIMEAccept) -> bool:
    """Whether it is named, not refused by a quality of 0, and JSON is not named as wanted as much."""
    named = dict.fromkeys((_JSON, NDJSON), 0.0) | {name.lower(): quality for name, quality in accepted}
    return named[NDJSON] > named[_JSON]


def _refuse_emptiness_by_outage(result: UserRecommendations, page: Page) -> None:
    """An empty list would say that there is nothing for this user; where catalog_db is down, nobody can tell.

    Raises:
        NothingToRecommendFromError: it would be such a list.
    """
    if not result.items and page.offset == 0 and DatabaseName.CATALOG in result.degraded:
        raise NothingToRecommendFromError
