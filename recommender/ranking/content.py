"""content_score: how much of what a user asked for a medium has."""

import numpy as np
from numpy.typing import NDArray


def pack_genres(genre_sets: list[list[int]], genre_count: int) -> NDArray[np.uint64]:
    """Bit masks of sets of genre numbers below `genre_count`; shape (sets, words of 64 genres)."""
    masks = np.zeros((len(genre_sets), max(1, -(-genre_count // 64))), dtype=np.uint64)
    for row, genres in enumerate(genre_sets):
        for genre in genres:
            masks[row, genre // 64] |= np.uint64(1 << (genre % 64))
    return masks


def count_matches(media_masks: NDArray[np.uint64], user_mask: NDArray[np.uint64]) -> NDArray[np.integer]:
    """|genres(m) ∩ genres(u)| for every medium; divided by |genres(u)| it is the content_score.

    Args:
        media_masks: shape (media, words), from `pack_genres`.
        user_mask: shape (words,), the stated genres that the catalogue knows.
    """
    matches = np.bitwise_count(media_masks & user_mask)
    # Hardly any catalogue has more than 64 genres; a sum over one column takes longer than all the rest.
    return np.asarray(matches[:, 0] if matches.shape[1] == 1 else matches.sum(axis=1, dtype=np.int64))
