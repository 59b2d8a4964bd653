"""The values the parts hand each other. Ids are opaque strings everywhere in Python."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from config import ranking_settings

# How many media where nobody says.
DEFAULT_LIMIT = 10

# Stands for the id of somebody who has none yet.
ANONYMOUS_USER_ID = ""


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


# The values of settings, by the names that the parts import.
MAX_WINDOW_DAYS = ranking_settings.MAX_WINDOW_DAYS
Content = ranking_settings.Content


@dataclass(frozen=True, slots=True)
class Blend:
    """How recommendation_score is made: the weights, and what the content score is worked out from."""

    weights: Weights
    content: Content = "stated"


InteractionTypes = ranking_settings.InteractionTypes
DEFAULT_TYPES = InteractionTypes()


class Wanted(StrEnum):
    """Which of the names of a condition an item must have."""

    ANY = "any"
    ALL = "all"
    NONE = "none"


class NamesCondition(NamedTuple):
    """Names that an attribute must have, or must not, in any spelling (`names.name_key`)."""

    attribute: str
    names: tuple[str, ...]
    wanted: Wanted = Wanted.ANY


class RangeCondition(NamedTuple):
    """The range that a number must be in, both ends included; what has no number is in none."""

    attribute: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items are wanted: those that meet all `conditions`, save `excluded_ids`."""

    conditions: tuple[NamesCondition | RangeCondition, ...] = ()
    excluded_ids: tuple[str, ...] = ()


ANY_MEDIA = ItemFilter()


@dataclass(frozen=True, slots=True)
class Options:
    """How recommendations are asked for, beside for whom.

    `explained`: say how each came about. `weights`, `window_days`: other than the configured ones.
    `index_version`: the catalog index to rank by, where it is still kept.
    """

    filters: ItemFilter = ANY_MEDIA
    explained: bool = False
    weights: Weights | None = None
    window_days: int | None = None
    index_version: str | None = None


DEFAULT_OPTIONS = Options()


@dataclass(frozen=True, slots=True)
class History:
    """What a user has interacted with, as far as it was read.

    `seen_ids`: media not to be given again. `positive_ids`: liked or watched in the window and not disliked
    since, latest first. Parallel to these, `positive_rows`: how many of the user's interactions are with
    each, and `positive_liked`: whether there is a like among them. `user_key`: the user's id in binary, empty
    for a user without an id.
    """

    seen_ids: Sequence[str] = ()
    positive_ids: Sequence[str] = ()
    positive_rows: Sequence[int] = ()
    positive_liked: Sequence[bool] = ()
    user_key: bytes = b""


# A value of an attribute: a text or name, a number, the names of a set, or None where there is none.
Value = str | int | float | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Item:
    """What is shown of an item.

    `attributes`: values by name, in the order of answers; a set's names are distinct, as
    `names.distinct_names` has it. `title` and `genres`, the set that users state preferences of, are among
    them, whatever the domain calls them.
    """

    id: str
    title: str | None
    genres: tuple[str, ...]
    attributes: Mapping[str, Value]


class CatalogEntry(NamedTuple):
    """An item that may be recommended; the id once more in binary.

    `values`: of the attributes that items are filtered by (`Domain.filtered`), as the database returns them;
    the first are the genres.
    """

    values: tuple[Any, ...]
    item_id: str
    item_key: bytes

    @property
    def genre_names(self) -> Sequence[str] | None:
        """The names of the set that users state preferences of, as written."""
        names: Sequence[str] | None = self.values[0]
        return names


@dataclass(frozen=True, slots=True)
class OwnItem:
    """A medium of the user's own history; `liked`: not only watched."""

    media: Item
    liked: bool


class VariantName(NamedTuple):
    """A variant of an experiment; `INTERLEAVED` where the lists of both variants are in one."""

    experiment: str
    variant: str


# In place of a variant's name.
INTERLEAVED = "interleaved"


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a recommendation came about.

    content_score is the number of `matched_genres` by that of the stated genres, collaborative_score is the
    model's score by `ExplanationContext.max_score`; the parts are these times their weights, and add up to
    the recommendation_score. `similar_user_count`, `total_interaction_value`: the product of these is the
    score of a model that goes by similar users; None for others. `because`: the media of the user's own
    history that contribute most to the score, the most first. `reason`: all of it in a sentence.
    """

    matched_genres: tuple[str, ...]
    similar_user_count: int | None
    total_interaction_value: float | None
    content_part: float
    collaborative_part: float
    because: tuple[OwnItem, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ExplanationContext:
    """What the explanations of one user's page refer to.

    `max_score`: the model's largest score of any medium the user may be given. `similar_users`: how many were
    found, by a model that goes by them; None for others.
    """

    stated_genres: tuple[str, ...]
    similar_users: int | None
    max_score: float
    weights: Weights
    window_days: int


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One medium with its scores, unrounded; `explanation` where it was asked for.

    `token`: where two rankings are in one list, whose the medium is, signed.
    """

    media: Item
    recommendation_score: float
    content_score: float
    collaborative_score: float
    explanation: Explanation | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class UserRecommendations:
    """One user's page, what it was made of, and which databases failed on the way.

    `model`, `model_version`: what scored, or would have scored. `index_version`: of the
    catalog index that was ranked by. `basis`: with explanations. `variants`: the experiments' that the user
    is in. Of two rankings in one list, strategy, model and basis are those of the first.
    """

    user_id: str
    items: tuple[Recommendation, ...]
    strategy: Strategy
    degraded: tuple[DatabaseName, ...]
    model: str
    model_version: str | None
    index_version: str
    basis: ExplanationContext | None = None
    variants: tuple[VariantName, ...] = ()


@dataclass(frozen=True, slots=True)
class AnonymousProfile:
    """What somebody without an account says: counts as stated genres, and as a history, latest first."""

    genres: Sequence[str]
    liked_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Preview:
    """What somebody without an account is recommended; `unknown_ids` are liked media nobody knows of."""

    result: UserRecommendations
    unknown_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PopularItem:
    """A medium, and how many users liked or watched it in the window."""

    media: Item
    user_count: int


@dataclass(frozen=True, slots=True)
class PopularItemsPage:
    """A page of popular media.

    `window_days`: of the window they are popular in: the configured one while the one asked for is being
    counted, which `is_counting` says, and where engagement_db failed.
    """

    items: tuple[PopularItem, ...]
    window_days: int
    is_counting: bool
    degraded: tuple[DatabaseName, ...]
    index_version: str


@dataclass(frozen=True, slots=True)
class SimilarItem:
    """A medium like another one.

    `similarity`: in [0, 1], by users. `shared_user_count`: users found who have both; None where the model
    keeps none.
    `genre_overlap`: genres in common by genres in either, in [0, 1].
    """

    media: Item
    similarity: float
    shared_user_count: int | None
    genre_overlap: float


@dataclass(frozen=True, slots=True)
class SimilarItemsPage:
    """A page of media like one. `media`: that one; None where its details cannot be had."""

    media_id: str
    media: Item | None
    items: tuple[SimilarItem, ...]
    strategy: Strategy
    degraded: tuple[DatabaseName, ...]
    model: str
    model_version: str | None
    index_version: str


def in_order(names: Collection[DatabaseName]) -> tuple[DatabaseName, ...]:
    """Databases in the order in which answers name them."""
    return tuple(name for name in DatabaseName if name in names)
