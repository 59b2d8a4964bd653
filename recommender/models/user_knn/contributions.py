"""Divide a score by similar users among the items of the user's own history."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.models.base import Contributions
from recommender.models.user_knn.similar_users import damping_weights

_NOTHING = Contributions(np.empty(0, dtype=np.intp), np.empty(0))


@dataclass(frozen=True, slots=True)
class SimilarHistories:
    """P(v) of each of a user's similar users.

    The items of the n-th are item_idx[user_start[n]:user_start[n + 1]]: indices in the catalog index, -1 for
    items that are not in it.
    """

    user_start: NDArray[np.intp]
    item_idx: NDArray[np.intp]

    @property
    def users(self) -> int:
        """The number of similar users."""
        return len(self.user_start) - 1


def contributions_of_history(
    item_idx: NDArray[np.intp],
    scores: NDArray[np.float64],
    history_idx: NDArray[np.intp],
    idf_weights: NDArray[np.int64],
    *,
    histories: SimilarHistories,
    top_k: int,
) -> list[Contributions]:
    """Return at most `top_k` of the largest contributions of a history to each score.

    The part of an item of the history is the sum of idf / sqrt(|P(v)| + 10) over the similar users with both
    it and the scored item. The score is divided in proportion to these parts. Ties go to the first in the
    history. Time and memory are proportional to the items of the similar users, not to the history.

    Args:
        item_idx, scores: parallel, the explained items and their scores, none below 0.
        history_idx, idf_weights: parallel, the user's liked or watched items, latest first, and their idf.
        histories: of the similar users.
        top_k: the largest number of contributions to each score.
    """
    if not (item_idx.size and history_idx.size and histories.item_idx.size):
        return [_NOTHING] * len(item_idx)
    largest = int(max(item_idx.max(), history_idx.max(), histories.item_idx.max()))
    rank_of = np.full(largest + 2, -1, dtype=np.intp)
    # Written from the end, so that the first rank counts for an item that occurs twice.
    rank_of[history_idx[::-1]] = np.arange(len(history_idx))[::-1]
    ranks = rank_of[histories.item_idx]
    users = np.repeat(np.arange(histories.users), np.diff(histories.user_start))
    shared = ranks >= 0
    # Only items that similar users share with the history get a column.
    own, columns = np.unique(ranks[shared], return_inverse=True)
    sharers = users[shared]
    parts = idf_weights[own][columns] * damping_weights(np.diff(histories.user_start))[sharers]
    contributions = []
    for target_idx, score in zip(item_idx, scores, strict=True):
        has_it = np.zeros(histories.users, dtype=np.bool_)
        has_it[users[histories.item_idx == target_idx]] = True
        by_these = has_it[sharers]
        sums = np.bincount(columns[by_these], weights=parts[by_these], minlength=len(own))
        best = np.argsort(-sums, kind="stable")[:top_k]
        best = best[sums[best] > 0.0]
        contributions.append(
            Contributions(history_idx[own[best]], sums[best] * (score / max(1.0, sums.sum())))
        )
    return contributions
