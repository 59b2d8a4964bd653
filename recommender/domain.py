"""The values the parts hand each other. Ids are opaque strings everywhere in Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class DatabaseName(StrEnum):
    """The three databases, by the names used in answers and logs."""

    USER = "user_db"
    CATALOG = "catalog_db"
    ENGAGEMENT = "engagement_db"


class DatabaseState(StrEnum):
    """How a database did when it was last asked."""

    UP = "up"
    SLOW = "slow"
    DOWN = "down"


class Strategy(StrEnum):
    """What a user's recommendations are made of."""

    HYBRID = "hybrid"
    CONTENT = "content"
    COLLABORATIVE = "collaborative"
    POPULAR = "popular"


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a ranking: `limit` media from position `offset` on."""

    limit: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Weights:
    """The parts of content and collaborative score in the recommendation score."""

    content: float
    collaborative: float


@dataclass(frozen=True, slots=True)
class History:
    """What a user has interacted with.

    `positive_ids`: liked or watched inside the window, latest first. `seen_ids`: everything, ever.
    """

    seen_ids: Sequence[str] = ()
    positive_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """What is shown of a medium. `genres` are distinct without regard to case."""

    id: str
    title: str | None
    description: str | None
    release_year: int | None
    media_type: str | None
    cover_url: str | None
    genres: tuple[str, ...]


class CatalogueEntry(NamedTuple):
    """A medium that may be recommended: its id, genres as written, and its id in binary."""

    media_id: str
    genre_names: Sequence[str] | None
    media_key: bytes


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One medium with its scores, unrounded."""

    media: Media
    recommendation_score: float
    content_score: float
    collaborative_score: float


@dataclass(frozen=True, slots=True)
class UserRecommendations:
    """One user's page, what it was made of, and which databases failed on the way.

    `model`, `model_version`: what found, or would have found, similar users.
    """

    user_id: str
    items: tuple[Recommendation, ...]
    strategy: Strategy
    degraded: tuple[DatabaseName, ...]
    model: str
    model_version: str | None


def distinct_genres(names: Sequence[str] | None) -> dict[str, str]:
    """Genres without regard to case: `{casefolded: as written}`, sorted, first spelling wins."""
    by_key: dict[str, str] = {}
    for name in sorted(names or ()):
        by_key.setdefault(name.casefold(), name)
    return dict(sorted(by_key.items()))
