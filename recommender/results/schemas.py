"""The types of recommendations, popular and similar items in JSON answers.

The API's description is generated from them.
"""

from typing import Any, Literal, NotRequired

from pydantic import with_config

# Required by pydantic before Python 3.12.
from typing_extensions import TypedDict

from recommender.entities import DatabaseName, Strategy

# The docstring below a field describes it.
_described = with_config(use_attribute_docstrings=True)


@_described
class MediaAnswer(TypedDict):
    """A medium as the catalog describes it: its id, then the attributes that its domain declares."""

    id: str


@_described
class BecauseItem(TypedDict):
    """A medium of the user's history: liked, or only watched."""

    id: str
    title: str | None
    interaction: Literal["liked", "watched"]


@_described
class ScoreParts(TypedDict):
    """The weighted scores, which add up to recommendation_score."""

    content: float
    collaborative: float


@_described
class ScoredMedium(MediaAnswer):
    """A medium and its scores."""

    recommendation_score: float
    """content_weight × content_score + collaborative_weight × collaborative_score, to 4 decimals."""
    content_score: float
    """Share of the stated genres that the medium has, 0 to 1; with `CONTENT=profile`, how well its genres fit
    the user's history and stated genres, times its popularity."""
    collaborative_score: float
    """The model's score divided by the largest one of the media that the user can get, 0 to 1."""


@_described
class ExplanationAnswer(TypedDict, total=False):
    """Why a medium is recommended; only with `explain`."""

    matched_genres: list[str]
    """The stated genres that the medium has."""
    similar_user_count: int
    """Number of similar users who liked or watched it; only from models of similar users."""
    total_interaction_value: float
    """Sum of the values of their likes and watches; only from models of similar users."""
    because_you_liked: list[BecauseItem]
    """Up to three media of the user's history that add most to the collaborative score, largest first."""
    score_parts: ScoreParts
    reason: str
    """The explanation as a sentence."""


# Keys that only models of similar users give.
_BY_SIMILAR_USERS = ("similar_user_count", "total_interaction_value")


def _all_or_none(kind: type) -> dict[str, Any]:
    """Return the JSON Schema for keys that come together, except those of some models only."""
    names = list(kind.__annotations__)
    common = [name for name in names if name not in _BY_SIMILAR_USERS]
    required = {name: names if name in _BY_SIMILAR_USERS else common for name in names}
    return {
        "dependentRequired": {
            name: [other for other in others if other != name] for name, others in required.items()
        }
    }


# One type for both: of a union, a generated client takes the first member that fits, and the one with fewer
# keys always fits.
@with_config(use_attribute_docstrings=True, json_schema_extra=_all_or_none(ExplanationAnswer))
class Recommended(ScoredMedium, ExplanationAnswer):
    """A recommended medium and its scores; with `explain` also the reasons."""

    token: NotRequired[str]
    """Only in an interleaved list: signed token of the ranking that the medium is from. Store it with the
    user's interactions with the medium."""


@_described
class BasisAnswer(TypedDict):
    """Values that the explanations refer to."""

    stated_genres: list[str]
    similar_users: NotRequired[int]
    """Number of similar users; only from models of similar users."""
    max_score: float
    """The model's largest score of the media that the user can get; for similar users, the largest
    similar_user_count × total_interaction_value."""
    content_weight: float
    collaborative_weight: float
    window_days: int


@_described
class UserAnswer(TypedDict):
    """One user's recommendations."""

    recommendations: list[Recommended]
    """Best first; with `explain`, each has its reasons."""
    count: int
    strategy: Strategy
    """The basis of the ranking."""
    degraded: list[DatabaseName]
    """The databases that did not answer; normally empty."""
    model: str
    """The model that scored: `live`, or a trained one such as `neighbours`."""
    model_version: str | None
    index: str
    """The version of the catalog index that was ranked by, for `index` of the next page."""
    basis: NotRequired[BasisAnswer]
    """With `explain` only."""
    variant: NotRequired[str]
    """The user's experiments and variants, such as `diverse_lists:control`, separated by commas; only for a
    user who is in one."""


@_described
class OneUserAnswer(UserAnswer):
    """A page of one user's recommendations."""

    user_id: str
    limit: int
    offset: int


@_described
class BatchAnswer(TypedDict):
    """The recommendations of several users."""

    results: dict[str, UserAnswer]
    """By user id, in the order asked for."""
    total_users: int


@_described
class LineAnswer(UserAnswer):
    """One user's recommendations as a line of a stream."""

    user_id: str


@_described
class PreviewAnswer(UserAnswer):
    """Recommendations for a person without an account."""

    unknown_media: list[str]
    """Liked media that are not in the catalog. They are ignored."""


@_described
class PopularMedium(MediaAnswer):
    """A medium and its popularity."""

    user_count: int
    """How many users liked or watched it in the window."""


@_described
class PopularAnswer(TypedDict):
    """Media by the number of users who liked or watched them."""

    media: list[PopularMedium]
    count: int
    limit: int
    offset: int
    window_days: int
    """The counted window; the configured one if the requested one is being counted, or its count failed."""
    counting: bool
    """Whether the requested window is being counted: try again in a few seconds."""
    degraded: list[DatabaseName]
    index: str
    """The version of the catalog index that was ranked by, for `index` of the next page."""


@_described
class SimilarMedium(MediaAnswer):
    """A medium and its similarity to the requested one."""

    similarity: float
    """Cosine over users, or a trained model's weight, 0 to 1."""
    shared_user_count: NotRequired[int]
    """Number of the compared users who have both; only from models that keep users."""
    genre_overlap: float
    """Common genres divided by all genres of both, 0 to 1."""


@_described
class SimilarAnswer(TypedDict):
    """Media similar to one."""

    media_id: str
    similar: list[SimilarMedium]
    count: int
    limit: int
    offset: int
    strategy: Strategy
    """`collaborative`: by users, then by genres. `content`: by genres alone."""
    degraded: list[DatabaseName]
    model: str
    model_version: str | None
    index: str
    """The version of the catalog index that was ranked by, for `index` of the next page."""
