"""One user's page: blend of content and collaborative score, selection, and what explains it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.entities import Blend, Options, Page, Strategy
from recommender.models.base import Choice, Explainer, ItemScores, ScoreExplanation, Scorer, UserContext
from recommender.ranking.blend import by_largest
from recommender.ranking.top_k import top_k
from recommender.serving.content_scores import CONTENT_SCORERS
from recommender.serving.hydration import Scope

# How many items of the user's own an explanation names.
_EXPLAINED_BY = 3


@dataclass(frozen=True, slots=True)
class RankedPage:
    """One user's page as positions in the catalog index, and parallel to these their scores.

    `blend`: how the scores became one. `max_score`: the largest score of any item the user may be given, in
    the unit of the model.
    """

    user: UserContext
    blend: Blend
    item_idx: NDArray[np.intp]
    recommendation: NDArray[np.float64]
    content: NDArray[np.float64]
    collaborative: NDArray[np.float64]
    strategy: Strategy
    max_score: float
    explanation: ScoreExplanation | None

    @property
    def shown_idx(self) -> NDArray[np.intp]:
        """The items of the page, and those that its explanations name."""
        if self.explanation is None:
            return self.item_idx
        return np.concatenate((self.item_idx, *(each.item_idx for each in self.explanation.contributions)))


class Ranker:
    """Ranks the items of a catalog index for users, as a request asks for it."""

    def __init__(self, index: CatalogueIndex, options: Options) -> None:
        self._index = index
        self._explained = options.explained
        self._matching = index.matching(options.filters)

    def rank(
        self, user: UserContext, choice: Choice, scores: ItemScores, scope: Scope, page: Page
    ) -> RankedPage:
        """Return the user's page, of the items in `scope`, by the `scores` of the model that was chosen."""
        index, weights = self._index, choice.blend.weights
        eligible = scope.existing & ~index.mark(user.history.seen_ids)
        content_scores = CONTENT_SCORERS[choice.blend.content](user, index)
        item_idx, values = _eligible_scores(scores, eligible)
        largest = int(values.max(initial=0))
        keys = content_scores.blend(item_idx, values, weights)
        # Only now: scores do not depend on the filters.
        wanted = eligible if self._matching is None else eligible & self._matching
        page_idx = top_k(keys, wanted & scope.showable, page.limit, page.offset)
        content = content_scores.of(page_idx)
        collaborative = np.zeros(len(eligible))
        collaborative[item_idx] = by_largest(values, largest)
        collaborative = collaborative[page_idx]
        return RankedPage(
            user=user,
            blend=choice.blend,
            item_idx=page_idx,
            recommendation=weights.content * content + weights.collaborative * collaborative,
            content=content,
            collaborative=collaborative,
            strategy=_strategy(
                has_content=bool(weights.content) and content_scores.count_among(eligible),
                has_collaborative=bool(weights.collaborative and largest),
            ),
            max_score=largest / scores.steps,
            explanation=(self._explain(user, choice.scorer, scores, page_idx) if self._explained else None),
        )

    def _explain(
        self, user: UserContext, scorer: Scorer, scores: ItemScores, page_idx: NDArray[np.intp]
    ) -> ScoreExplanation:
        if isinstance(scorer, Explainer):
            return scorer.explain(user, scores, page_idx, self._index, _EXPLAINED_BY)
        return ScoreExplanation([])


def _eligible_scores(
    scores: ItemScores, eligible: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the positions and values of those scored items that the user may be given."""
    if scores.item_idx is None:
        item_idx = np.flatnonzero(eligible & (scores.values > 0))
        return item_idx, scores.values[item_idx]
    offered = eligible[scores.item_idx]
    return scores.item_idx[offered], scores.values[offered]


def _strategy(*, has_content: bool, has_collaborative: bool) -> Strategy:
    """What the ranking rests on: the kinds of score that count anywhere in it, filtered or not."""
    if has_content and has_collaborative:
        return Strategy.HYBRID
    if has_content:
        return Strategy.CONTENT
    if has_collaborative:
        return Strategy.COLLABORATIVE
    return Strategy.POPULAR
