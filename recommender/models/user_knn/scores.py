"""collaborative_score of the default formula: similar_user_count × total_interaction_value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.models.base import (
    Contributions,
    ItemScores,
    ScoreExplanation,
    SimilarUserEvidence,
    UserContext,
)
from recommender.models.user_knn.contributions import SimilarHistories, contributions_of_history
from recommender.models.user_knn.similar_users import VALUE_STEPS
from recommender.models.user_knn.similarity import idf_weights

# Products of counts and values below this are exact as 64-bit integers.
_LARGEST_PRODUCT = float(1 << 62)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarUserScores(ItemScores):
    """Scores by similar users; always sparse.

    Parallel to `item_idx`: `counts`, how many of the similar users have each item, and `value_sums`, the sums
    of the values of their interactions with it, in integer steps of 10^-9. `histories` returns the items of
    each similar user, which only explanations need.
    """

    item_idx: NDArray[np.intp]
    counts: NDArray[np.int64]
    value_sums: NDArray[np.float64]
    histories: Callable[[], SimilarHistories]


def scores_by_similar_users(
    item_idx: NDArray[np.intp],
    counts: NDArray[np.int64],
    value_sums: NDArray[np.float64],
    histories: Callable[[], SimilarHistories],
) -> SimilarUserScores:
    """Return the scores of the items that similar users have; parameters as in `SimilarUserScores`."""
    values, unit = _products(counts, value_sums)
    return SimilarUserScores(
        values=values,
        item_idx=item_idx,
        steps=VALUE_STEPS / unit,
        counts=counts,
        value_sums=value_sums,
        histories=histories,
    )


class ExplainsBySimilarUsers:
    """Explain scores by the items that a user shares with the similar users who have the scored item."""

    def explain(
        self,
        user: UserContext,
        scores: ItemScores,
        item_idx: NDArray[np.intp],
        items: CatalogIndex,
        top_k: int,
    ) -> ScoreExplanation:
        """Return contributions and evidence, see `Explainer`.

        An item of the history contributes in proportion to its part in the similarities of the users who have
        the scored item.
        """
        if not isinstance(scores, SimilarUserScores):
            nothing = np.zeros(len(item_idx))
            return ScoreExplanation(
                [Contributions(np.empty(0, dtype=np.intp), np.empty(0))] * len(item_idx),
                SimilarUserEvidence(0, nothing.astype(np.int64), nothing),
            )
        histories = scores.histories()
        counts = _spread(scores.counts, scores.item_idx, len(items.item_ids))[item_idx]
        totals = _spread(scores.value_sums / VALUE_STEPS, scores.item_idx, len(items.item_ids))[item_idx]
        positive_ids = user.history.positive_ids
        history_idx = items.locate(positive_ids)
        known = history_idx >= 0
        weights = np.array(idf_weights(items.popularity, positive_ids), dtype=np.int64)
        return ScoreExplanation(
            contributions_of_history(
                item_idx,
                np.maximum(counts * totals, 0.0),
                history_idx[known],
                weights[known],
                histories=histories,
                top_k=top_k,
            ),
            SimilarUserEvidence(histories.users, counts, totals),
        )


def add_up_items(
    item_idx: NDArray[np.intp], value_steps: NDArray[np.float64], item_count: int
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.float64]]:
    """Sum similar_user_count and total_interaction_value of each item in the P of similar users.

    Args:
        item_idx, value_steps: parallel, one entry for each item of each similar user.
        item_count: the number of all items; every `item_idx` is below it.

    Returns:
        Three parallel arrays, each item once: item_idx, counts, sums in steps.
    """
    counts: NDArray[np.int64] = np.bincount(item_idx, minlength=item_count)
    sums = np.bincount(item_idx, weights=value_steps, minlength=item_count).astype(np.float64, copy=False)
    found = np.flatnonzero(counts)
    return found, counts[found], sums[found]


def _products(counts: NDArray[np.int64], value_sums: NDArray[np.float64]) -> tuple[NDArray[Any], int]:
    """Return counts × sums, at least 0, in a unit, and the unit: in int64 if it is large enough.

    The unit is 1, unless int64 is too small: then it is the largest that divides all sums, as values without
    decimals, such as milliseconds watched, have a large one. Otherwise Python's integers are returned.
    """
    most, largest = float(counts.max(initial=1)), float(np.abs(value_sums).max(initial=0.0))
    if most * largest < _LARGEST_PRODUCT:
        return np.maximum(counts * value_sums.astype(np.int64), 0), 1
    if largest < _LARGEST_PRODUCT:
        whole = value_sums.astype(np.int64)
        unit = int(np.gcd.reduce(whole))
        if most * (largest / unit) < _LARGEST_PRODUCT:
            return np.maximum(counts * (whole // unit), 0), unit
    pairs: Sequence[tuple[int, float]] = list(zip(counts.tolist(), value_sums.tolist(), strict=True))
    return np.array([max(0, count * int(steps)) for count, steps in pairs], dtype=object), 1


def _spread(values: NDArray[Any], item_idx: NDArray[np.intp], item_count: int) -> NDArray[Any]:
    """Return values at their indices among all items, 0 elsewhere."""
    spread = np.zeros(item_count, dtype=values.dtype)
    spread[item_idx] = values
    return spread
