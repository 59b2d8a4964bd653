"""The values that the parts exchange. Ids are opaque strings everywhere in Python."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from config import ranking_settings

# The default number of items.
DEFAULT_LIMIT = 10

# Replaces the id of a user without an account.
ANONYMOUS_USER_ID = ""


class DatabaseName(StrEnum):
    """The three databases, by the names used in answers and logs."""

    USER = "user_db"
    CATALOG = "catalog_db"
    ENGAGEMENT = "engagement_db"


class DatabaseState(StrEnum):
    """The state of a database at its last statement."""

    UP = "up"
    SLOW = "slow"
    DOWN = "down"


class Strategy(StrEnum):
    """Which scores a user's recommendations come from."""

    HYBRID = "hybrid"
    CONTENT = "content"
    COLLABORATIVE = "collaborative"
    POPULAR = "popular"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a ranking: `limit` items from rank `offset` on, counted from 0."""

    limit: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of content and collaborative score in the recommendation score."""

    content: float
    collaborative: float


# Values of settings under the names that other modules import.
MAX_WINDOW_DAYS = ranking_settings.MAX_WINDOW_DAYS
Content = ranking_settings.Content


@dataclass(frozen=True, slots=True)
class Blend:
    """How recommendation_score is computed: the weights, and the kind of content score."""

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
    """Names that an attribute must or must not have, in any spelling (`names.name_key`)."""

    attribute: str
    names: tuple[str, ...]
    wanted: Wanted = Wanted.ANY


class RangeCondition(NamedTuple):
    """The range that a number must be in, both ends included; an item without the number never is."""

    attribute: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """A filter for items that meet all `conditions`, without `excluded_ids`."""

    conditions: tuple[NamesCondition | RangeCondition, ...] = ()
    excluded_ids: tuple[str, ...] = ()


ANY_ITEM = ItemFilter()


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a request for recommendations.

    `explained`: add explanations. `weights`, `window_days`: replace the configured ones. `index_version`: the
    catalog index to rank by, if it is still kept.
    """

    filters: ItemFilter = ANY_ITEM
    explained: bool = False
    weights: Weights | None = None
    window_days: int | None = None
    index_version: str | None = None


DEFAULT_OPTIONS = Options()


@dataclass(frozen=True, slots=True)
class History:
    """A user's interactions, as far as they were read.

    `seen_ids`: items not to be recommended again. `positive_ids`: liked or watched in the window and not
    disliked since, latest first. Parallel to these, `positive_rows`: the user's number of interactions with
    each, and `positive_liked`: whether one of them is a like. `user_key`: the user's binary id, empty for a
    user without an id.
    """

    seen_ids: Sequence[str] = ()
    positive_ids: Sequence[str] = ()
    positive_rows: Sequence[int] = ()
    positive_liked: Sequence[bool] = ()
    user_key: bytes = b""


# A value of an attribute: a text or name, a number, the names of a set, or None for no value.
Value = str | int | float | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Item:
    """The details of an item for answers and pages.

    `attributes`: values by name, in the order of answers; the names of a set are distinct by
    `names.distinct_names`. They include `title` and `genres` (the set that users state preferences of) under
    the domain's own names. `row`: as the database returned them, to recognize details that did not change.
    """

    id: str
    title: str | None
    genres: tuple[str, ...]
    attributes: Mapping[str, Value]
    row: tuple[Any, ...] = field(default=(), compare=False, repr=False)


class CatalogEntry(NamedTuple):
    """An item that may be recommended. `item_key`: the binary id.

    `values`: of the attributes that items are filtered by (`Domain.filtered`), as the database returns them;
    the first is the set of genres.
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
    """An item of the user's own history; `liked`: not only watched."""

    details: Item
    liked: bool


class VariantName(NamedTuple):
    """A variant of an experiment; `INTERLEAVED` if the list combines both variants."""

    experiment: str
    variant: str


# Replaces the name of a variant.
INTERLEAVED = "interleaved"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a recommendation.

    content_score is the number of `matched_genres` divided by that of the stated genres. collaborative_score
    is the model's score divided by `ExplanationContext.max_score`. The parts are these times their weights;
    their sum is the recommendation_score. `similar_user_count`, `total_interaction_value`: their product is
    the score of a model with similar users; None for others. `because`: the items of the user's own history
    that contribute most to the score, the largest first. `reason`: the explanation in a sentence.
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
    """Values that the explanations of one user's page share.

    `max_score`: the model's largest score of any item that may be recommended to the user. `similar_users`:
    how many a model with similar users found; None for other models.
    """

    stated_genres: tuple[str, ...]
    similar_users: int | None
    max_score: float
    weights: Weights
    window_days: int


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An item with its unrounded scores; `explanation` if it was asked for.

    `token`: in a list of two interleaved rankings, a signed token that says which one the item is from.
    """

    details: Item
    recommendation_score: float
    content_score: float
    collaborative_score: float
    explanation: Explanation | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class UserRecommendations:
    """One user's page, how it was ranked, and which databases failed.

    `model`, `model_version`: the one that scored, or would have scored. `index_version`: of the catalog
    index. `basis`: set with explanations. `variants`: of the experiments that the user is in. For two
    interleaved rankings, strategy, model and basis are those of the first.
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
    """The profile of a user without an account: stated genres, and a history, latest first."""

    genres: Sequence[str]
    liked_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Preview:
    """Recommendations for a user without an account; `unknown_ids`: liked items missing in the catalog."""

    result: UserRecommendations
    unknown_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PopularItem:
    """An item, and how many users liked or watched it in the window."""

    details: Item
    user_count: int


@dataclass(frozen=True, slots=True)
class PopularItemsPage:
    """A page of popular items.

    `window_days`: the window of their popularity. It is the configured one if engagement_db failed, or while
    the requested one is counted (`is_counting`).
    """

    items: tuple[PopularItem, ...]
    window_days: int
    is_counting: bool
    degraded: tuple[DatabaseName, ...]
    index_version: str


@dataclass(frozen=True, slots=True)
class SimilarItem:
    """An item that is similar to another one.

    `similarity`: in [0, 1], by users. `shared_user_count`: users found with both items; None if the model
    keeps no users. `genre_overlap`: common genres divided by genres of either, in [0, 1].
    """

    details: Item
    similarity: float
    shared_user_count: int | None
    genre_overlap: float


@dataclass(frozen=True, slots=True)
class SimilarItemsPage:
    """A page of items similar to one. `details`: that one; None if its details are unavailable."""

    item_id: str
    details: Item | None
    items: tuple[SimilarItem, ...]
    strategy: Strategy
    degraded: tuple[DatabaseName, ...]
    model: str
    model_version: str | None
    index_version: str


def in_order(names: Collection[DatabaseName]) -> tuple[DatabaseName, ...]:
    """Return databases in the order in which answers name them."""
    return tuple(name for name in DatabaseName if name in names)
