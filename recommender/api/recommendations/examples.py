"""Examples of requests for recommendations and of their answers, by what they show."""

from typing import cast

from recommender.api.endpoints import Examples
from recommender.api.errors import BreakOff, broken_off
from recommender.api.example_items import GUNSLINGER, INDEX, LIKED_ID, USER_ID
from recommender.entities import DatabaseName, Strategy
from recommender.results.schemas import (
    BasisAnswer,
    BatchAnswer,
    BecauseItem,
    ExplanationAnswer,
    LineAnswer,
    OneUserAnswer,
    PreviewAnswer,
    Recommended,
    UserAnswer,
)


def _scored(recommendation: float, content: float, collaborative: float) -> Recommended:
    scores = {
        "recommendation_score": recommendation,
        "content_score": content,
        "collaborative_score": collaborative,
    }
    return cast("Recommended", {**GUNSLINGER, **scores})


_RECOMMENDED = _scored(0.8667, 0.6667, 1.0)
_EXPLANATION = ExplanationAnswer(
    matched_genres=["ACTION", "WESTERN"],
    similar_user_count=37,
    total_interaction_value=62.57,
    because_you_liked=[BecauseItem(id=LIKED_ID, title="Bitter Canyon in Port Ellery", interaction="liked")],
    score_parts={"content": 0.2667, "collaborative": 0.6},
    reason="Because you liked “Bitter Canyon in Port Ellery”: 37 of the 50 people most like you liked or "
    "watched it too, and it has Action and Western, as you asked for.",
)
_EXPLAINED: Recommended = {**_RECOMMENDED, **_EXPLANATION}
_BASIS = BasisAnswer(
    stated_genres=["ACTION", "CRIME", "WESTERN"],
    similar_users=50,
    max_score=2315.09,
    content_weight=0.4,
    collaborative_weight=0.6,
    window_days=90,
)
_PLAIN_USER = UserAnswer(
    recommendations=[_RECOMMENDED],
    count=1,
    strategy=Strategy.HYBRID,
    degraded=[],
    model="live",
    model_version=None,
    index=INDEX,
)
_EXPLAINED_USER: UserAnswer = {**_PLAIN_USER, "recommendations": [_EXPLAINED], "basis": _BASIS}
_DEGRADED_USER: UserAnswer = {
    **_PLAIN_USER,
    "recommendations": [_scored(0.2667, 0.6667, 0.0)],
    "strategy": Strategy.CONTENT,
    "degraded": [DatabaseName.ENGAGEMENT],
}

_SIGNED_PLACEMENT = "m1.WyJyYW5rZXIiLCJlYXNlIiwiNzcwYjEzYTUtYTBhMy00ZjQ1IiwxXQ.2mFHpJ8mZb3Ql0s9Qk"
_INTERLEAVED_USER: UserAnswer = {
    **_PLAIN_USER,
    "recommendations": [{**_RECOMMENDED, "token": _SIGNED_PLACEMENT}],
    "variant": "ranker:interleaved",
}


def _one_user(user: UserAnswer) -> OneUserAnswer:
    return {"user_id": USER_ID, "limit": 1, "offset": 0, **user}


ONE_USER: Examples = {
    "plain": _one_user(_PLAIN_USER),
    "explained": _one_user(_EXPLAINED_USER),
    "degraded": _one_user(_DEGRADED_USER),
    "interleaved": _one_user(_INTERLEAVED_USER),
}
BATCH: Examples = {
    "plain": BatchAnswer(results={USER_ID: _PLAIN_USER}, total_users=1),
    "explained": BatchAnswer(results={USER_ID: _EXPLAINED_USER}, total_users=1),
}
_LINE: LineAnswer = {"user_id": USER_ID, **_PLAIN_USER}
LINE: Examples = {"line": _LINE, "broken_off": broken_off(BreakOff.FAULT)}
PREVIEW: Examples = {
    "plain": PreviewAnswer(**_PLAIN_USER, unknown_media=[]),
    "explained": PreviewAnswer(**_EXPLAINED_USER, unknown_media=[]),
}
BATCH_BODY = {"user_ids": [USER_ID], "limit": 1}
PREVIEW_BODY = {"genres": ["Action", "Western"], "liked": [LIKED_ID], "limit": 1}
