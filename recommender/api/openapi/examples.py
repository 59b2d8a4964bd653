"""Examples of answers, by what they show. They are of one story, and their sums are right."""

from collections.abc import Mapping
from typing import Any, cast

from recommender import __version__
from recommender.answers import (
    BasisAnswer,
    BatchAnswer,
    BecauseItem,
    ExplanationAnswer,
    LineAnswer,
    OneUserAnswer,
    PopularAnswer,
    PopularMedium,
    PreviewAnswer,
    Recommended,
    SimilarAnswer,
    SimilarMedium,
    UserAnswer,
)
from recommender.api.health import (
    CatalogueAnswer,
    HealthAnswer,
    HeldBackAnswer,
    LaneAnswer,
    LoadAnswer,
    ModelAnswer,
    ReadyAnswer,
    RefusedModelAnswer,
)
from recommender.api.problems import BreakOff, broken_off
from recommender.catalogue.gate import HoldReason
from recommender.domain import DatabaseName, DatabaseState, Strategy
from recommender.domains.attributes import Kind
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.serving.status import Readiness

Examples = dict[str, Any]

USER_ID = "770b13a5-a0a3-4f45-83b2-712fc40ecc19"
MEDIA_ID = "54c6a916-f55a-4738-9b84-72c39552b524"
LIKED_ID = "d0f184a2-283e-4f4a-b630-65d7f8b27f71"
_INDEX = "9f2c51d07be84a36"

_GUNSLINGER: dict[str, Any] = {
    "id": MEDIA_ID,
    "title": "One Gunslinger for Tbilisi",
    "description": "In Tbilisi, a mail-order bride must hold on to the only well for miles.",
    "release_year": 2025,
    "media_type": "MOVIE",
    "cover_url": "https://images.example/one-gunslinger-for-tbilisi.jpg",
    "genres": ["ACTION", "DRAMA", "WESTERN"],
}
_CANYON: dict[str, Any] = {
    "id": LIKED_ID,
    "title": "Bitter Canyon in Port Ellery",
    "description": None,
    "release_year": 2019,
    "media_type": "SERIES",
    "cover_url": None,
    "genres": ["ACTION", "WAR", "WESTERN"],
}


def _scored(item: dict[str, Any], recommendation: float, content: float, collaborative: float) -> Recommended:
    scores = {
        "recommendation_score": recommendation,
        "content_score": content,
        "collaborative_score": collaborative,
    }
    return cast("Recommended", {**item, **scores})


_RECOMMENDED = _scored(_GUNSLINGER, 0.8667, 0.6667, 1.0)
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
    index=_INDEX,
)
_EXPLAINED_USER: UserAnswer = {**_PLAIN_USER, "recommendations": [_EXPLAINED], "basis": _BASIS}
_DEGRADED_USER: UserAnswer = {
    **_PLAIN_USER,
    "recommendations": [_scored(_GUNSLINGER, 0.2667, 0.6667, 0.0)],
    "strategy": Strategy.CONTENT,
    "degraded": [DatabaseName.ENGAGEMENT],
}


def _one_user(user: UserAnswer) -> OneUserAnswer:
    return {"user_id": USER_ID, "limit": 1, "offset": 0, **user}


ONE_USER: Examples = {
    "plain": _one_user(_PLAIN_USER),
    "explained": _one_user(_EXPLAINED_USER),
    "degraded": _one_user(_DEGRADED_USER),
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
POPULAR: Examples = {
    "plain": PopularAnswer(
        media=[cast("PopularMedium", {**_GUNSLINGER, "user_count": 1512})],
        count=1,
        limit=1,
        offset=0,
        window_days=90,
        counting=False,
        degraded=[],
        index=_INDEX,
    ),
}
_LIKENESS = {"similarity": 0.4312, "shared_user_count": 97, "genre_overlap": 0.5}
SIMILAR: Examples = {
    "plain": SimilarAnswer(
        media_id=MEDIA_ID,
        similar=[cast("SimilarMedium", {**_CANYON, **_LIKENESS})],
        count=1,
        limit=1,
        offset=0,
        strategy=Strategy.COLLABORATIVE,
        degraded=[],
        model="live",
        model_version=None,
        index=_INDEX,
    ),
}
HEALTH: Examples = {
    "healthy": HealthAnswer(status="healthy", service="ml-service", version=__version__),
}
_ALL_UP = {name.value: DatabaseState.UP for name in DatabaseName}
_LOAD = LoadAnswer(
    pages=LaneAnswer(working=1, max_working=4, open=1, max_open=20, saturated=False),
    batches=LaneAnswer(working=0, max_working=1, open=0, max_open=17, saturated=False),
    streams=LaneAnswer(working=1, max_working=1, open=8, max_open=8, saturated=True),
)
READY: Examples = {
    "ready": ReadyAnswer(
        status=Readiness.READY,
        databases=_ALL_UP,
        catalogue=CatalogueAnswer(age_seconds=41.7, media=9742, index=_INDEX, held_back=None),
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
    "degraded": ReadyAnswer(
        status=Readiness.DEGRADED,
        databases={**_ALL_UP, "user_db": DatabaseState.DOWN},
        catalogue=CatalogueAnswer(age_seconds=102.3, media=9742, index=_INDEX, held_back=None),
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
    "model refused": ReadyAnswer(
        status=Readiness.READY,
        databases=_ALL_UP,
        catalogue=CatalogueAnswer(age_seconds=12.0, media=9742, index=_INDEX, held_back=None),
        model=ModelAnswer(
            name="neighbours",
            version="20261120T031502.104833Z",
            refused=RefusedModelAnswer(
                version="20261121T031457.920154Z", reason="values.npy: the checksum is wrong"
            ),
        ),
        load=_LOAD,
    ),
}
READY["held_back"] = ReadyAnswer(
    status=Readiness.DEGRADED,
    databases=_ALL_UP,
    catalogue=CatalogueAnswer(
        age_seconds=308.2,
        media=9742,
        index=_INDEX,
        held_back=HeldBackAnswer(media=0, since_seconds=7.3, reason=HoldReason.EMPTY),
    ),
    model=ModelAnswer(name="live", version=None),
    load=_LOAD,
)
UNAVAILABLE: Examples = {
    "unavailable": ReadyAnswer(
        status=Readiness.UNAVAILABLE,
        databases=dict.fromkeys(_ALL_UP, DatabaseState.DOWN),
        catalogue=None,
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
}
METRICS: Examples = {
    "excerpt": "# HELP marquee_requests_in_flight Requests being answered\n"
    "# TYPE marquee_requests_in_flight gauge\n"
    "marquee_requests_in_flight 1.0\n",
}
DESCRIPTION: Examples = {
    "excerpt": {"openapi": "3.1.0", "info": {"title": "Marquee API", "version": __version__}, "paths": {}},
}
BATCH_BODY: Examples = {"plain": {"user_ids": [USER_ID], "limit": 1}}
PREVIEW_BODY: Examples = {"plain": {"genres": ["Action", "Western"], "liked": [LIKED_ID], "limit": 1}}


def fitted(examples: Mapping[str, Any], domain: Domain) -> Examples:
    """Return examples with the attributes of a domain in place of those of media, as far as they differ."""
    return {name: _with_attributes(value, domain) for name, value in examples.items()}


def _with_attributes(value: Any, domain: Domain) -> Any:
    if isinstance(value, list):
        return [_with_attributes(part, domain) for part in value]
    if not isinstance(value, dict):
        return value
    if not _GUNSLINGER.keys() <= value.keys():
        return {key: _with_attributes(part, domain) for key, part in value.items()}
    empty: dict[str, Any] = {
        attribute.name: [] if attribute.kind is Kind.SET else None
        for attribute in domain.shown
        if attribute.name not in _GUNSLINGER
    }
    ours = {attribute.name for attribute in MEDIA.attributes} - {each.name for each in domain.shown}
    kept = {key: part for key, part in value.items() if key not in ours}
    return {**kept, **empty}
