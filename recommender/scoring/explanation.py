"""Which of a user's own media led to a recommendation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.scoring.similarity import DAMPING


@dataclass(frozen=True, slots=True)
class SimilarHistories:
    """What each of a user's similar users liked or watched.

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
    idf / sqrt(|P(v)| + 10) over them. Ties go to what stands first in the history.

    Args:
        media_idx: shape (media,), what is explained.
        history_idx, idf_weights: in step, what the user liked or watched, latest first, with its idf.
        histories: of the similar users.
        top_k: the most media to give for each.

    Returns:
        An array of positions for each of `media_idx`, the most telling first.
    """
    if not (media_idx.size and history_idx.size and histories.media_idx.size):
        return [np.empty(0, dtype=np.intp)] * len(media_idx)
    has_media = _has(histories, media_idx)
    has_history = _has(histories, history_idx)
    norms = np.sqrt(np.diff(histories.user_start) + DAMPING)
    parts = has_media.T @ (has_history * (idf_weights / norms[:, np.newaxis]))
    order = np.argsort(-parts, axis=1, kind="stable")[:, :top_k]
    return [history_idx[best[part[best] > 0.0]] for part, best in zip(parts, order, strict=True)]


def _has(histories: SimilarHistories, media_idx: NDArray[np.intp]) -> NDArray[np.float64]:
    """1 where a similar user has a medium, else 0; shape (similar users, media)."""
    largest = int(max(media_idx.max(), histories.media_idx.max()))
    column = np.full(largest + 2, -1, dtype=np.intp)
    column[media_idx] = np.arange(len(media_idx))
    columns = column[histories.media_idx]
    users = np.repeat(np.arange(histories.users), np.diff(histories.user_start))
    found = columns >= 0
    has = np.zeros((histories.users, len(media_idx)))
    has[users[found], columns[found]] = 1.0
    return has
