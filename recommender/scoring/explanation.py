"""Which of a user's own media led to a recommendation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.scoring.similar_users import damping_weights


@dataclass(frozen=True, slots=True)
class SimilarHistories:
    """What each of a user's similar users has in their favour.

    The media of the n-th are media_idx[user_start[n]:user_start[n + 1]]: positions in the catalogue index, -1
    for media that are not in it.
    """

    user_start: NDArray[np.intp]
    media_idx: NDArray[np.intp]

    @property
    def users(self) -> int:
        """How many similar users there are."""
        return len(self.user_start) - 1


def telling_media(
    media_idx: NDArray[np.intp],
    history_idx: NDArray[np.intp],
    idf_weights: NDArray[np.int64],
    histories: SimilarHistories,
    top_k: int,
) -> list[NDArray[np.intp]]:
    """For each medium, the up to `top_k` media of the user's history that similar users came to it by.

    A medium of the history counts with its part in the similarity of the users who have both: the sum of
    idf / sqrt(|P(v)| + 10) over them. Ties go to what stands first in the history. Takes time and memory in
    proportion to what the similar users have, however long the history is.

    Args:
        media_idx: shape (media,), what is explained.
        history_idx, idf_weights: parallel, what the user liked or watched, latest first, with its idf.
        histories: of the similar users.
        top_k: the most media to give for each.

    Returns:
        An array of positions for each of `media_idx`, the most telling first.
    """
    if not (media_idx.size and history_idx.size and histories.media_idx.size):
        return [np.empty(0, dtype=np.intp)] * len(media_idx)
    largest = int(max(media_idx.max(), history_idx.max(), histories.media_idx.max()))
    place_of = np.full(largest + 2, -1, dtype=np.intp)
    # Written from the end, so that of a medium that stands there twice the first place counts.
    place_of[history_idx[::-1]] = np.arange(len(history_idx))[::-1]
    places = place_of[histories.media_idx]
    users = np.repeat(np.arange(histories.users), np.diff(histories.user_start))
    shared = places >= 0
    # Only what similar users share with the history has a column.
    told, columns = np.unique(places[shared], return_inverse=True)
    sharers = users[shared]
    parts = idf_weights[told][columns] * damping_weights(np.diff(histories.user_start))[sharers]
    telling = []
    for position in media_idx:
        fans = np.zeros(histories.users, dtype=np.bool_)
        fans[users[histories.media_idx == position]] = True
        by_fans = fans[sharers]
        sums = np.bincount(columns[by_fans], weights=parts[by_fans], minlength=len(told))
        best = np.argsort(-sums, kind="stable")[:top_k]
        telling.append(history_idx[told[best[sums[best] > 0.0]]])
    return telling
