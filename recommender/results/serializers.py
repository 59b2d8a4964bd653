"""Turns results into plain values for JSON answers and files."""

from typing import Any, cast

import orjson

from recommender.entities import (
    Explanation,
    ExplanationContext,
    Page,
    PopularItem,
    PopularItemsPage,
    Preview,
    Recommendation,
    SimilarItem,
    SimilarItemsPage,
    UserRecommendations,
)
from recommender.results.schemas import (
    BasisAnswer,
    BecauseItem,
    ExplanationAnswer,
    LineAnswer,
    OneUserAnswer,
    PopularAnswer,
    PopularMedium,
    PreviewAnswer,
    Recommended,
    ScoreParts,
    SimilarAnswer,
    SimilarMedium,
    UserAnswer,
)

_SCORE_DECIMALS = 4
_VALUE_DIGITS = 9


def one_user_of(result: UserRecommendations, page: Page) -> OneUserAnswer:
    """Return the answer about one user."""
    content = user_of(result)
    return {
        "user_id": result.user_id,
        "recommendations": content["recommendations"],
        "count": content["count"],
        "limit": page.limit,
        "offset": page.offset,
        **content,
    }


def user_of(result: UserRecommendations) -> UserAnswer:
    """Return the keys of one user's recommendations that all answers share."""
    answer = UserAnswer(
        recommendations=[_recommended(item) for item in result.items],
        count=len(result.items),
        strategy=result.strategy,
        degraded=list(result.degraded),
        model=result.model,
        model_version=result.model_version,
        index=result.index_version,
    )
    if result.basis is not None:
        answer["basis"] = _basis(result.basis)
    if result.variants:
        answer["variant"] = variants_of(result)
    return answer


def variants_of(result: UserRecommendations) -> str:
    """Return the user's experiments and variants as text; empty for none."""
    return ",".join(f"{experiment}:{variant}" for experiment, variant in result.variants)


def preview_of(preview: Preview) -> PreviewAnswer:
    """Return the answer of a preview."""
    return PreviewAnswer(**user_of(preview.result), unknown_media=list(preview.unknown_ids))


def popular_of(popular: PopularItemsPage, page: Page) -> PopularAnswer:
    """Return the answer about popular items."""
    return PopularAnswer(
        media=[_popular_item(item) for item in popular.items],
        count=len(popular.items),
        limit=page.limit,
        offset=page.offset,
        window_days=popular.window_days,
        counting=popular.is_counting,
        degraded=list(popular.degraded),
        index=popular.index_version,
    )


def similar_of(similar: SimilarItemsPage, page: Page) -> SimilarAnswer:
    """Return the answer about similar items."""
    return SimilarAnswer(
        media_id=similar.item_id,
        similar=[_similar_item(item) for item in similar.items],
        count=len(similar.items),
        limit=page.limit,
        offset=page.offset,
        strategy=similar.strategy,
        degraded=list(similar.degraded),
        model=similar.model,
        model_version=similar.model_version,
        index=similar.index_version,
    )


def _popular_item(item: PopularItem) -> PopularMedium:
    answer = {"id": item.details.id, **item.details.attributes, "user_count": item.user_count}
    return cast("PopularMedium", answer)


def _similar_item(item: SimilarItem) -> SimilarMedium:
    shared = {} if item.shared_user_count is None else {"shared_user_count": item.shared_user_count}
    answer = {
        "id": item.details.id,
        **item.details.attributes,
        "similarity": rounded(item.similarity),
        **shared,
        "genre_overlap": rounded(item.genre_overlap),
    }
    return cast("SimilarMedium", answer)


def line_of(result: UserRecommendations) -> bytes:
    """Return one user's answer as a line of NDJSON."""
    content: LineAnswer = {"user_id": result.user_id, **user_of(result)}
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def rounded(score: float) -> float:
    """Return a score rounded for output."""
    return round(score, _SCORE_DECIMALS)


def score_parts(item: Recommendation, explanation: Explanation) -> ScoreParts:
    """Return the rounded parts, which add up to the rounded score."""
    content = rounded(explanation.content_part)
    return ScoreParts(content=content, collaborative=rounded(rounded(item.recommendation_score) - content))


def _recommended(item: Recommendation) -> Recommended:
    answer: dict[str, Any] = {
        "id": item.details.id,
        **item.details.attributes,
        "recommendation_score": rounded(item.recommendation_score),
        "content_score": rounded(item.content_score),
        "collaborative_score": rounded(item.collaborative_score),
    }
    if item.explanation is not None:
        answer |= _explanation(item, item.explanation)
    if item.token is not None:
        answer["token"] = item.token
    return cast("Recommended", answer)


def _explanation(item: Recommendation, explanation: Explanation) -> ExplanationAnswer:
    answer = ExplanationAnswer(matched_genres=list(explanation.matched_genres))
    if explanation.similar_user_count is not None and explanation.total_interaction_value is not None:
        answer["similar_user_count"] = explanation.similar_user_count
        answer["total_interaction_value"] = _readable(explanation.total_interaction_value)
    answer["because_you_liked"] = [
        BecauseItem(
            id=own.details.id, title=own.details.title, interaction="liked" if own.liked else "watched"
        )
        for own in explanation.because
    ]
    answer["score_parts"] = score_parts(item, explanation)
    answer["reason"] = explanation.reason
    return answer


def _basis(basis: ExplanationContext) -> BasisAnswer:
    answer = BasisAnswer(
        stated_genres=list(basis.stated_genres),
        similar_users=basis.similar_users or 0,
        max_score=_readable(basis.max_score),
        content_weight=basis.weights.content,
        collaborative_weight=basis.weights.collaborative,
        window_days=basis.window_days,
    )
    if basis.similar_users is None:
        del answer["similar_users"]
    return answer


def _readable(value: float) -> float:
    """Round a value to hide the steps in which values are stored."""
    return float(f"{value:.{_VALUE_DIGITS}g}")
