"""Answers batches of users, in one piece or as a stream."""

from collections.abc import Iterator

from flask import Response

from recommender.api.concurrency import ConcurrencyLimiter, StreamEnd
from recommender.api.errors import BadRequestError, ErrorCode
from recommender.api.recommendations.requests import BatchBody, StreamedBatchBody
from recommender.api.responses import call_when_sent, json_response
from recommender.api.streams import NDJSON, ndjson_response
from recommender.entities import Page, UserRecommendations
from recommender.observability.telemetry import JSON_STAGE, counted, stage
from recommender.results.schemas import BatchAnswer
from recommender.results.serializers import user_of
from recommender.serving.recommendations import RecommendationService

# Bytes and time of an explained recommendation, relative to one without explanation.
EXPLAINED_WEIGHT = 5


def stream_batch(
    service: RecommendationService,
    body: StreamedBatchBody,
    limiter: ConcurrencyLimiter,
    stream_end: StreamEnd,
) -> Response:
    """Answer one line for each user while working on the next; `limiter` counts it until the last is sent."""
    release = limiter.admit()
    try:
        chunks = service.recommend_in_chunks(body.user_ids, Page(body.limit), body.options)
        return ndjson_response(chunks, limiter, stream_end, release)
    except BaseException:
        release()
        raise


def answer_batch(
    service: RecommendationService, body: BatchBody, limiter: ConcurrencyLimiter, max_recommendations: int
) -> Response:
    """Answer all users in one piece; `limiter` counts it until it is sent.

    Raises:
        BadRequestError: the answer could be larger than allowed.
    """
    _refuse_more_than_fits(body, max_recommendations)
    release = limiter.admit()
    try:
        with limiter.permit():
            response = _response(counted(service.recommend(body.user_ids, Page(body.limit), body.options)))
    except BaseException:
        release()
        raise
    # Counted until sent: a slow reader of a long answer occupies a thread.
    return call_when_sent(response, release)


def _response(found: Iterator[UserRecommendations]) -> Response:
    results = {}
    for result in found:
        with stage(JSON_STAGE):
            results[result.user_id] = user_of(result)
    return json_response(BatchAnswer(results=results, total_users=len(results)))


def _refuse_more_than_fits(body: BatchBody, max_recommendations: int) -> None:
    """Limit the size of an answer in one piece, which is held in memory until sent.

    Raises:
        BadRequestError: the answer could be larger than allowed.
    """
    users, asked = len(body.user_ids), len(body.user_ids) * body.limit
    weight = asked * (EXPLAINED_WEIGHT if body.explain else 1)
    if weight > max_recommendations:
        counted_as = f", which explained count as {weight}" if body.explain else ""
        raise BadRequestError(
            ErrorCode.INVALID_BODY,
            f"user_ids and limit ask for {users} x {body.limit} recommendations{counted_as}; at most "
            f"{max_recommendations} fit into one answer. Ask for fewer at a time, or for {NDJSON}",
        )
