"""One user's ranking, from what the databases said: scores, order, and what explains them."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.domain import (
    DatabaseName,
    History,
    Options,
    Page,
    Strategy,
    Weights,
)
from recommender.models.base import NO_CANDIDATES, Candidates
from recommender.names import distinct_names
from recommender.scoring.collaborative import collaborative_products, collaborative_scores
from recommender.scoring.content import count_matches
from recommender.scoring.explanation import telling_media
from recommender.scoring.ranking import rank_page, ranking_keys
from recommender.scoring.similar_users import VALUE_STEPS
from recommender.serving.page_filling import Scope

# How many media of the user's own an explanation names.
_TELLING_MEDIA = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the databases said about some users, and which of them did not answer."""

    preferences: Mapping[str, Sequence[str]]
    histories: Mapping[str, History]
    candidates: Mapping[str, Candidates]
    failed: frozenset[DatabaseName]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What explains a page; arrays parallel to its media.

    `stated_genres`: {key: as shown}. `telling_idx`: positions of media of the user's history.
    `liked_ids`: media of the history that the user liked, and did not only watch.
    """

    stated_genres: Mapping[str, str]
    similar_users: int
    max_score: float
    weights: Weights
    similar_user_counts: NDArray[np.int64]
    total_values: NDArray[np.float64]
    telling_idx: Sequence[NDArray[np.intp]]
    liked_ids: Collection[str]


@dataclass(frozen=True, slots=True)
class UserPage:
    """One user's page as positions in the catalogue index, and parallel to these their scores."""

    user_id: str
    media_idx: NDArray[np.intp]
    recommendation: NDArray[np.float64]
    content: NDArray[np.float64]
    collaborative: NDArray[np.float64]
    strategy: Strategy
    grounds: Grounds | None

    @property
    def shown_idx(self) -> NDArray[np.intp]:
        """The media of the page, and those that its explanations name."""
        if self.grounds is None:
            return self.media_idx
        return np.concatenate((self.media_idx, *self.grounds.telling_idx))


class UserRanker:
    """Ranks by evidence that stands; the scope and the page may be others each time."""

    def __init__(
        self,
        user_ids: Sequence[str],
        index: CatalogueIndex,
        evidence: Evidence,
        weights: Weights,
        options: Options,
    ) -> None:
        self._user_ids = user_ids
        self._index = index
        self._evidence = evidence
        self._weights = weights
        self._explained = options.explained
        self._matching = index.matching(options.filters)

    def __call__(self, page: Page, scope: Scope) -> list[UserPage]:
        """A page for each user, in the order of the ids."""
        return [self._rank(user_id, page, scope) for user_id in self._user_ids]

    def _rank(self, user_id: str, page: Page, scope: Scope) -> UserPage:
        index = self._index
        genres = distinct_names(self._evidence.preferences.get(user_id))
        candidates = self._evidence.candidates.get(user_id, NO_CANDIDATES)
        history = self._evidence.histories.get(user_id, History())
        eligible = scope.existing & ~index.mark(history.seen_ids)
        matches = count_matches(index.genre_masks, index.genre_mask(list(genres)))
        offered = eligible[candidates.media_idx]
        media_idx = candidates.media_idx[offered]
        products = collaborative_products(
            candidates.similar_user_counts[offered], candidates.value_steps[offered]
        )
        largest = int(products.max(initial=0))
        weights = self._weights
        keys = ranking_keys(
            matches, len(genres), media_idx, products, (weights.content, weights.collaborative)
        )
        # Only now: scores do not depend on the filters.
        wanted = eligible if self._matching is None else eligible & self._matching
        page_idx = rank_page(keys, wanted & scope.showable, page.limit, page.offset)
        content = matches[page_idx] / np.float64(max(1, len(genres)))
        collaborative = np.zeros(len(eligible))
        collaborative[media_idx] = collaborative_scores(products, largest)
        collaborative = collaborative[page_idx]
        return UserPage(
            user_id=user_id,
            media_idx=page_idx,
            recommendation=weights.content * content + weights.collaborative * collaborative,
            content=content,
            collaborative=collaborative,
            strategy=_strategy(
                has_content=bool(weights.content and (eligible & (matches > 0)).any()),
                has_collaborative=bool(weights.collaborative and largest),
            ),
            grounds=self._grounds(page_idx, genres, history, candidates, largest / VALUE_STEPS)
            if self._explained
            else None,
        )

    def _grounds(
        self,
        page_idx: NDArray[np.intp],
        genres: Mapping[str, str],
        history: History,
        candidates: Candidates,
        max_score: float,
    ) -> Grounds:
        index = self._index
        histories = candidates.similar_histories()
        history_idx = index.locate(history.positive_ids)
        known = history_idx >= 0
        idf_weights = np.array(index.idf_weights(history.positive_ids), dtype=np.int64)
        counts = np.zeros(len(index.media_ids), dtype=np.int64)
        totals = np.zeros(len(index.media_ids))
        counts[candidates.media_idx] = candidates.similar_user_counts
        totals[candidates.media_idx] = candidates.value_steps / VALUE_STEPS
        return Grounds(
            stated_genres=genres,
            similar_users=histories.users,
            max_score=max_score,
            weights=self._weights,
            similar_user_counts=counts[page_idx],
            total_values=totals[page_idx],
            telling_idx=telling_media(
                page_idx, history_idx[known], idf_weights[known], histories, _TELLING_MEDIA
            ),
            liked_ids=frozenset(itertools.compress(history.positive_ids, history.positive_liked)),
        )


def _strategy(*, has_content: bool, has_collaborative: bool) -> Strategy:
    """What the ranking rests on: the kinds of score that are above 0 anywhere in it, filtered or not."""
    if has_content and has_collaborative:
        return Strategy.HYBRID
    if has_content:
        return Strategy.CONTENT
    if has_collaborative:
        return Strategy.COLLABORATIVE
    return Strategy.POPULAR
