"""Examples of answers about items, by what they show."""

from typing import cast

from recommender.api.endpoints import Examples
from recommender.api.example_items import CANYON, GUNSLINGER, INDEX, MEDIA_ID
from recommender.entities import Strategy
from recommender.results.schemas import PopularAnswer, PopularMedium, SimilarAnswer, SimilarMedium

_SIMILARITY = {"similarity": 0.4312, "shared_user_count": 97, "genre_overlap": 0.5}
POPULAR: Examples = {
    "plain": PopularAnswer(
        media=[cast("PopularMedium", {**GUNSLINGER, "user_count": 1512})],
        count=1,
        limit=1,
        offset=0,
        window_days=90,
        counting=False,
        degraded=[],
        index=INDEX,
    ),
}
SIMILAR: Examples = {
    "plain": SimilarAnswer(
        media_id=MEDIA_ID,
        similar=[cast("SimilarMedium", {**CANYON, **_SIMILARITY})],
        count=1,
        limit=1,
        offset=0,
        strategy=Strategy.COLLABORATIVE,
        degraded=[],
        model="live",
        model_version=None,
        index=INDEX,
    ),
}
