"""One user's answer as plain values, the same wherever it is written: to a caller or to a file."""

from typing import Any

import orjson

from recommender.domain import Recommendation, UserRecommendations

_SCORE_DECIMALS = 4


def page_of(result: UserRecommendations) -> dict[str, Any]:
    """What all forms of an answer say alike of one user's recommendations."""
    return {
        "recommendations": [_item(item) for item in result.items],
        "count": len(result.items),
        "strategy": result.strategy,
        "degraded": list(result.degraded),
        "model": result.model,
        "model_version": result.model_version,
    }


def line_of(result: UserRecommendations) -> bytes:
    """One user's answer as a line of NDJSON."""
    content = {"user_id": result.user_id, **page_of(result)}
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def rounded(score: float) -> float:
    """A score as it is shown."""
    return round(score, _SCORE_DECIMALS)


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
        "recommendation_score": rounded(item.recommendation_score),
        "content_score": rounded(item.content_score),
        "collaborative_score": rounded(item.collaborative_score),
    }
