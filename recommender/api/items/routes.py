"""The endpoints about items."""

import time

from flask import Blueprint

from recommender.api.concurrency import ConcurrencyLimiter
from recommender.api.endpoints import Answer, Endpoint, PathId
from recommender.api.errors import ErrorCode
from recommender.api.example_items import MEDIA_ID
from recommender.api.items import examples
from recommender.api.items.requests import PopularQuery, SimilarQuery
from recommender.api.request_models import RequestLimits, bounded
from recommender.api.tags import MEDIA_TAG
from recommender.observability.telemetry import JSON_STAGE, stage
from recommender.results.schemas import PopularAnswer, SimilarAnswer
from recommender.results.serializers import popular_of, similar_of
from recommender.serving.items import ItemService


def items_blueprint(items: ItemService, limits: RequestLimits, limiter: ConcurrencyLimiter) -> Blueprint:
    """Return the blueprint; its views query `items` within `limiter`."""
    blueprint = Blueprint("media", __name__, url_prefix=f"/api/{limits.domain.plural}")
    _add_popular(blueprint, items, limits, limiter)
    _add_similar(blueprint, items, limits, limiter)
    return blueprint


def _add_popular(
    blueprint: Blueprint, items: ItemService, limits: RequestLimits, limiter: ConcurrencyLimiter
) -> None:
    @Endpoint(
        blueprint,
        "GET",
        "/popular",
        name="getPopular",
        tag=MEDIA_TAG,
        summary="Popular media",
        description="Media by the number of users who liked or watched them. A window other than the "
        "configured one is counted at the first request. During the count (`counting`), or if it fails, the "
        "answer is for the configured window, and `window_days` says so.",
        query=bounded(PopularQuery, limits),
        answers=(Answer(PopularAnswer, examples.POPULAR),),
        errors=(ErrorCode.SERVICE_UNAVAILABLE,),
        limiter=limiter,
    )
    def get_popular(*, query: PopularQuery, limiter: ConcurrencyLimiter) -> PopularAnswer:
        asked_at = time.monotonic()
        with limiter.limit():
            popular = items.popular(
                query.page, query.filters, query.window_days, index_version=query.index, asked_at=asked_at
            )
        with stage(JSON_STAGE):
            return popular_of(popular, query.page)


def _add_similar(
    blueprint: Blueprint, items: ItemService, limits: RequestLimits, limiter: ConcurrencyLimiter
) -> None:
    @Endpoint(
        blueprint,
        "GET",
        "/<media_id>/similar",
        name="getSimilar",
        tag=MEDIA_TAG,
        summary="Similar media",
        description="Media that the same users liked or watched, then media with common genres; by genres "
        "alone if no user has the medium or engagement_db does not answer.",
        path={
            "media_id": PathId(
                limits.item_id_form, ErrorCode.INVALID_MEDIA_ID, "The medium to compare with.", MEDIA_ID
            )
        },
        query=bounded(SimilarQuery, limits),
        answers=(Answer(SimilarAnswer, examples.SIMILAR),),
        errors=(ErrorCode.MEDIA_NOT_FOUND, ErrorCode.SERVICE_UNAVAILABLE),
        limiter=limiter,
    )
    def get_similar(*, media_id: str, query: SimilarQuery, limiter: ConcurrencyLimiter) -> SimilarAnswer:
        asked_at = time.monotonic()
        with limiter.limit():
            similar = items.similar(
                media_id, query.page, query.filters, index_version=query.index, asked_at=asked_at
            )
        with stage(JSON_STAGE):
            return similar_of(similar, query.page)
