"""The recommendation endpoints."""

import time
from http import HTTPStatus

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from recommender.api.concurrency import ConcurrencyLimiter, ConcurrencyLimits
from recommender.api.endpoints import Answer, Body, Endpoint, PathId, Stream
from recommender.api.errors import ErrorCode
from recommender.api.example_items import USER_ID
from recommender.api.parsing import MAX_STREAM_BODY_BYTES
from recommender.api.recommendations import examples
from recommender.api.recommendations.batches import EXPLAINED_WEIGHT, answer_batch, stream_batch
from recommender.api.recommendations.requests import (
    BatchBody,
    PreviewBody,
    RecommendationsQuery,
    StreamedBatchBody,
)
from recommender.api.request_models import RequestLimits, bounded
from recommender.api.streams import NDJSON
from recommender.api.tags import RECOMMENDATIONS_TAG
from recommender.entities import AnonymousProfile, DatabaseName, Page, UserRecommendations
from recommender.errors import NothingToRecommendFromError
from recommender.observability.telemetry import JSON_STAGE, count, stage
from recommender.results.schemas import BatchAnswer, LineAnswer, OneUserAnswer, PreviewAnswer
from recommender.results.serializers import one_user_of, preview_of
from recommender.serving.recommendations import RecommendationService

_PREFIX = "/api/recommendations"
_ONLY_POST = frozenset({f"{_PREFIX}/batch", f"{_PREFIX}/preview"})


def recommendations_blueprint(
    service: RecommendationService, limits: RequestLimits, limiters: ConcurrencyLimits
) -> Blueprint:
    """Return the blueprint; its views query `service` within `limiters`."""
    blueprint = Blueprint("recommendations", __name__, url_prefix=_PREFIX)
    _add_recommendations(blueprint, service, limits, limiters.pages)
    _add_batch(blueprint, service, limits, limiters)
    _add_preview(blueprint, service, limits, limiters)

    @blueprint.get("/batch")
    @blueprint.get("/preview")
    def get_body() -> Response:
        # Without this route, "batch" would be read as a user id.
        raise MethodNotAllowed

    @blueprint.after_app_request
    def name_allowed_methods(response: Response) -> Response:
        # Flask names GET, too, because that route has it.
        if request.path in _ONLY_POST and (
            response.status_code == HTTPStatus.METHOD_NOT_ALLOWED or request.method == "OPTIONS"
        ):
            response.headers["Allow"] = "OPTIONS, POST"
        return response

    return blueprint


def _add_recommendations(
    blueprint: Blueprint, service: RecommendationService, limits: RequestLimits, limiter: ConcurrencyLimiter
) -> None:
    @Endpoint(
        blueprint,
        "GET",
        "/<user_id>",
        name="getRecommendations",
        tag=RECOMMENDATIONS_TAG,
        summary="Recommend to a user",
        description="Best first; a page past the end is empty. Pages with the `index` of the first one "
        "neither overlap nor skip items, unless media are deleted, genres or interactions of the user or "
        "interactions of similar users change, or another `model_version` answers. "
        "An unknown user gets popular media.",
        path={
            "user_id": PathId(
                limits.user_id_form, ErrorCode.INVALID_USER_ID, "Whom to recommend to.", USER_ID
            )
        },
        query=bounded(RecommendationsQuery, limits),
        answers=(Answer(OneUserAnswer, examples.ONE_USER),),
        errors=(ErrorCode.SERVICE_UNAVAILABLE,),
        limiter=limiter,
    )
    def get_recommendations(
        *, user_id: str, query: RecommendationsQuery, limiter: ConcurrencyLimiter
    ) -> OneUserAnswer:
        # The time budget includes the wait for a permit.
        found = service.recommend([user_id], query.page, query.options)
        with limiter.limit():
            (result,) = found
        _refuse_emptiness_by_outage(result, query.page)
        count(result, first_page=query.offset == 0)
        with stage(JSON_STAGE):
            return one_user_of(result, query.page)


def _add_batch(
    blueprint: Blueprint, service: RecommendationService, limits: RequestLimits, limiters: ConcurrencyLimits
) -> None:
    @Endpoint(
        blueprint,
        "POST",
        "/batch",
        name="postBatch",
        tag=RECOMMENDATIONS_TAG,
        summary="Recommend to many users",
        description="Each user's answer equals that of GET. Users come in the order of the request, repeated "
        f"ids once. At most {limits.settings.max_batch_recommendations} recommendations; an "
        f"explained one counts as {EXPLAINED_WEIGHT}. "
        f"With `Accept: {NDJSON}` the answer is a stream for more users: one line for each user, sent while "
        "the next are worked on. If it breaks off, the last line is an error.",
        body=Body(bounded(BatchBody, limits), limiters.bodies, examples.BATCH_BODY),
        answers=(Answer(BatchAnswer, examples.BATCH),),
        limiter=limiters.batches,
        stream=Stream(
            LineAnswer,
            examples.LINE,
            Body(
                bounded(StreamedBatchBody, limits),
                limiters.bodies,
                examples.BATCH_BODY,
                MAX_STREAM_BODY_BYTES,
            ),
            limiters.streams,
        ),
        errors=(ErrorCode.SERVICE_UNAVAILABLE,),
    )
    def post_batch(*, body: BatchBody | StreamedBatchBody, limiter: ConcurrencyLimiter) -> Response:
        if isinstance(body, StreamedBatchBody):
            return stream_batch(service, body, limiter, limiters.stream_end)
        return answer_batch(service, body, limiter, limits.settings.max_batch_recommendations)


def _add_preview(
    blueprint: Blueprint, service: RecommendationService, limits: RequestLimits, limiters: ConcurrencyLimits
) -> None:
    @Endpoint(
        blueprint,
        "POST",
        "/preview",
        name="postPreview",
        tag=RECOMMENDATIONS_TAG,
        summary="Recommend to a person without an account",
        description="By the same formulas, with `genres` as stated genres and `liked` as history.",
        body=Body(bounded(PreviewBody, limits), limiters.bodies, examples.PREVIEW_BODY),
        answers=(Answer(PreviewAnswer, examples.PREVIEW),),
        errors=(ErrorCode.SERVICE_UNAVAILABLE,),
        limiter=limiters.pages,
    )
    def post_preview(*, body: PreviewBody, limiter: ConcurrencyLimiter) -> PreviewAnswer:
        page = Page(body.limit)
        asked_at = time.monotonic()
        with limiter.limit():
            preview = service.preview(
                AnonymousProfile(body.genres, body.liked), page, body.options, asked_at=asked_at
            )
        _refuse_emptiness_by_outage(preview.result, page)
        count(preview.result, first_page=True)
        with stage(JSON_STAGE):
            return preview_of(preview)


def _refuse_emptiness_by_outage(result: UserRecommendations, page: Page) -> None:
    """Refuse an empty first page while catalog_db is down: the full catalog may have items for the user.

    Raises:
        NothingToRecommendFromError: the page is empty, the first one, and catalog_db did not answer.
    """
    if not result.items and page.offset == 0 and DatabaseName.CATALOG in result.degraded:
        raise NothingToRecommendFromError
