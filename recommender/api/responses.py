"""Answers as JSON."""

from typing import Any

import orjson
from flask import Response

from recommender.domain import Recommendation, UserRecommendations

_SCORE_DECIMALS = 4


def json_response(payload: dict[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(payload), status=status, mimetype="application/json")


def page_of(result: UserRecommendations) -> dict[str, Any]:
    """What GET and batch say alike of one user's recommendations."""
    return {
        "recommendations": [_item(item) for item in result.items],
        "count": len(result.items),
        "strategy": result.strategy,
        "degraded": list(result.degraded),
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
