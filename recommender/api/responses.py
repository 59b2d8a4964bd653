"""Answers as JSON."""

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Response

from recommender.domain import Recommendation, UserRecommendations
from recommender.telemetry import JSON, stage

logger = logging.getLogger(__name__)

_SCORE_DECIMALS = 4


def json_response(payload: dict[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    with stage(JSON):
        data = orjson.dumps(payload)
    return Response(data, status=status, mimetype="application/json")


def ndjson_response(results: Iterator[UserRecommendations], apology: dict[str, Any]) -> Response:
    """A line of JSON a user, sent while the next users are worked on.

    Whatever goes wrong before the first line is raised; after it, the last line is `apology`.
    """
    first = next(results)

    def lines() -> Iterator[bytes]:
        try:
            for result in itertools.chain([first], results):
                page = page_of(result)
                with stage(JSON):
                    line = orjson.dumps({"user_id": result.user_id, **page}, option=orjson.OPT_APPEND_NEWLINE)
                yield line
        except Exception:
            # The status has been sent long ago; that the list is not complete must not go unnoticed.
            logger.exception("a streamed batch broke off")
            yield orjson.dumps(apology, option=orjson.OPT_APPEND_NEWLINE)

    return Response(lines(), mimetype="application/x-ndjson")


def page_of(result: UserRecommendations) -> dict[str, Any]:
    """What GET and batch say alike of one user's recommendations."""
    with stage(JSON):
        items = [_item(item) for item in result.items]
    return {
        "recommendations": items,
        "count": len(result.items),
        "strategy": result.strategy,
        "degraded": list(result.degraded),
        "model": result.model,
        "model_version": result.model_version,
    }


def _item(item: Recommendation) -> dict[str, Any]:
    media = item.media
    return {
        "id": media.id,
        "title": media.title,
        "description": media.description,
        "release_year": media.release_year,
        "media_type": media.media_type,
        "cover_url": media.cover_url,
        "genres": list(media.genres),
        "recommendation_score": round(item.recommendation_score, _SCORE_DECIMALS),
        "content_score": round(item.content_score, _SCORE_DECIMALS),
        "collaborative_score": round(item.collaborative_score, _SCORE_DECIMALS),
    }
