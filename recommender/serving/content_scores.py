"""Content scores, by the stated genres alone, or by these and the history."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.entities import Content, Weights
from recommender.models.base import UserContext
from recommender.ranking.blend import EligibleValues, blend, blend_floats
from recommender.ranking.genre_matching import count_genres, count_matches, has_match, tastes_by_set


class ContentScores(Protocol):
    """One user's content scores of all items of a catalog index."""

    def blend(self, collaborative: EligibleValues, weights: Weights) -> NDArray[np.int64]:
        """Return whole numbers in the order of recommendation_score, shape (items,).

        Args:
            collaborative: from `ranking.blend.eligible_values`.
            weights: of both scores.
        """
        ...

    def of(self, item_idx: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the content scores of some items, in [0, 1]; same shape."""
        ...

    def is_informative(self, eligible: NDArray[np.bool_]) -> bool:
        """Return whether the scores personalize the ranking of the eligible items."""
        ...


class ContentScorer(Protocol):
    """Works out a user's content scores."""

    def __call__(self, user: UserContext, index: CatalogIndex) -> ContentScores:
        """Return the scores of all items of an index for a user."""
        ...


class StatedScores:
    """The share of the stated genres that an item has; compared exactly."""

    def __init__(self, user: UserContext, index: CatalogIndex) -> None:
        self._masks = index.genre_masks
        self._mask = index.genre_mask(list(user.stated_genres))
        self._stated = len(user.stated_genres)

    def blend(self, collaborative: EligibleValues, weights: Weights) -> NDArray[np.int64]:
        """Return keys that are equal where scores are."""
        return blend(
            self._masks, self._mask, self._stated, collaborative, (weights.content, weights.collaborative)
        )

    def of(self, item_idx: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the share of the stated genres that items have."""
        matches = count_matches(self._masks[item_idx], self._mask)
        return np.asarray(matches / np.float64(max(1, self._stated)))

    def is_informative(self, eligible: NDArray[np.bool_]) -> bool:
        """Return whether an eligible item has a stated genre."""
        return has_match(self._masks, self._mask, eligible)


class ProfileScores:
    """How well an item's genres fit a user's history and stated genres, times its popularity."""

    def __init__(self, user: UserContext, index: CatalogIndex) -> None:
        self._rates = index.genre_rates
        own = index.catalog_only(user.located_in(index).positive_idx)
        counts = count_genres(self._rates, own, index.genres.numbers_of(user.stated_genres))
        self._known = bool(counts.any())
        self._tastes = tastes_by_set(self._rates, counts)

    def blend(self, collaborative: EligibleValues, weights: Weights) -> NDArray[np.int64]:
        """Return keys in steps of 2^-40."""
        content = self._tastes.take(self._rates.set_idx)
        content *= self._rates.popularity
        return blend_floats(content, collaborative, (weights.content, weights.collaborative))

    def of(self, item_idx: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how well genres fit the taste, times the popularity."""
        return np.asarray(self._tastes[self._rates.set_idx[item_idx]] * self._rates.popularity[item_idx])

    def is_informative(self, eligible: NDArray[np.bool_]) -> bool:
        """Return whether genres of the user are known, and an eligible item has a popularity above 0.

        Without such genres, each score is half the popularity.
        """
        return self._known and bool((eligible & (self._rates.popularity > 0.0)).any())


CONTENT_SCORERS: dict[Content, ContentScorer] = {"stated": StatedScores, "profile": ProfileScores}
