"""Ranks items for one user: blends content and collaborative score, selects a page, and explains it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.entities import Blend, Options, Page, Strategy
from recommender.models.base import Choice, Explainer, ItemScores, ScoreExplanation, UserContext
from recommender.ranking.blend import divide_by_largest, eligible_values
from recommender.ranking.rerank import rerank_by_genres
from recommender.ranking.top_k import top_k
from recommender.serving.content_scores import CONTENT_SCORERS
from recommender.serving.hydration import ItemScope

# How many items of the user's history an explanation lists.
_EXPLAINED_BY = 3
# How many items of a ranking may move where it is re-ranked.
RERANKED_ITEMS = 200


@dataclass(frozen=True, slots=True)
class RankedPage:
    """One user's page: indices in the catalog index, and parallel to these their scores.

    `blend`: how `recommendation` was computed from both scores. `max_score`: the model's largest score of
    any item that may be recommended to the user, in the unit of the model.
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

    def __init__(self, index: CatalogIndex, options: Options) -> None:
        self._index = index
        self._explained = options.explained
        self._matching = index.matching(options.filters)

    def rank(
        self, user: UserContext, choice: Choice, scores: ItemScores, scope: ItemScope, page: Page
    ) -> RankedPage:
        """Return the user's page, of the items in `scope`, by the `scores` of the model that was chosen."""
        ranking = self.ranking(user, choice, scores, scope)
        return ranking.describe(ranking.items(page))

    def ranking(self, user: UserContext, choice: Choice, scores: ItemScores, scope: ItemScope) -> "Ranking":
        """Return a user's ranking of the items in `scope`, of which any page can be taken."""
        return Ranking(
            user, choice, scores, scope, index=self._index, matching=self._matching, explained=self._explained
        )


class Ranking:
    """One user's ranking of the items of a catalog index, by the scores of the model that was chosen."""

    def __init__(
        self,
        user: UserContext,
        choice: Choice,
        scores: ItemScores,
        scope: ItemScope,
        *,
        index: CatalogIndex,
        matching: NDArray[np.bool_] | None,
        explained: bool,
    ) -> None:
        self._user = user
        self._choice = choice
        self._scores = scores
        self._index = index
        self._explained = explained
        self._eligible = scope.existing.copy()
        self._eligible[index.catalog_only(user.located_in(index).seen_idx)] = False
        self._content = CONTENT_SCORERS[choice.blend.content](user, index)
        self._eligible_values = eligible_values(scores.values, scores.item_idx, self._eligible)
        self._keys = self._content.blend(self._eligible_values, choice.blend.weights)
        # Only now: scores do not depend on the filters.
        wanted = self._eligible if matching is None else self._eligible & matching
        self._showable = wanted if scope.showable is scope.existing else wanted & scope.showable

    def items(self, page: Page) -> NDArray[np.intp]:
        """Return the items of a page; those of consecutive pages neither overlap nor skip.

        Re-ranking moves only the first `RERANKED_ITEMS`; later items keep their rank.
        """
        if not self._choice.diversity or page.offset >= RERANKED_ITEMS:
            return top_k(self._keys, self._showable, page.limit, page.offset)
        end = page.offset + page.limit
        best = top_k(self._keys, self._showable, max(end, RERANKED_ITEMS))
        head = best[:RERANKED_ITEMS]
        scores = self._blended(self._content.of(head), self._collaborative(head))
        order = rerank_by_genres(scores, self._index.genre_masks[head], self._choice.diversity, end)
        return np.concatenate((head[order], best[RERANKED_ITEMS:]))[page.offset : end]

    def describe(self, item_idx: NDArray[np.intp]) -> RankedPage:
        """Return some of the items as a page, with their scores."""
        content, collaborative = self._content.of(item_idx), self._collaborative(item_idx)
        weights = self._choice.blend.weights
        return RankedPage(
            user=self._user,
            blend=self._choice.blend,
            item_idx=item_idx,
            recommendation=self._blended(content, collaborative),
            content=content,
            collaborative=collaborative,
            strategy=_strategy(
                has_content=bool(weights.content) and self._content.is_informative(self._eligible),
                has_collaborative=bool(weights.collaborative and self._eligible_values.largest),
            ),
            max_score=self._eligible_values.largest / self._scores.steps,
            explanation=self._explain(item_idx) if self._explained else None,
        )

    def _collaborative(self, item_idx: NDArray[np.intp]) -> NDArray[np.float64]:
        values, largest = self._eligible_values
        return divide_by_largest(values[item_idx], largest)

    def _blended(
        self, content: NDArray[np.float64], collaborative: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        weights = self._choice.blend.weights
        return weights.content * content + weights.collaborative * collaborative

    def _explain(self, item_idx: NDArray[np.intp]) -> ScoreExplanation:
        scorer = self._choice.scorer
        if not isinstance(scorer, Explainer):
            return ScoreExplanation([])
        # One more than is listed, as an item that may be recommended again can contribute to its own score.
        found = scorer.explain(self._user, self._scores, item_idx, self._index, _EXPLAINED_BY + 1)
        contributions = [
            each.of_others(idx, _EXPLAINED_BY)
            for each, idx in zip(found.contributions, item_idx.tolist(), strict=True)
        ]
        return replace(found, contributions=contributions)


def _strategy(*, has_content: bool, has_collaborative: bool) -> Strategy:
    """Return the kinds of score that count for any eligible item, filtered out or not."""
    if has_content and has_collaborative:
        return Strategy.HYBRID
    if has_content:
        return Strategy.CONTENT
    if has_collaborative:
        return Strategy.COLLABORATIVE
    return Strategy.POPULAR
