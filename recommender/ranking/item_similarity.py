"""Similarity of one item to others."""

import numpy as np
from numpy.typing import NDArray


def cosine_similarities(
    shared_user_counts: NDArray[np.int64], user_counts: NDArray[np.int64], all_users: int, read_users: int
) -> NDArray[np.float64]:
    """Return the cosine over users, |U(m) ∩ U(n)| / sqrt(|U(m)| × |U(n)|), in [0, 1].

    Each value is the square root of one division of integers, so equal similarities are equal as floats.

    Args:
        shared_user_counts: number of the read users of m who have n, for each n.
        user_counts: |U(n)|, parallel; at least the shared count.
        all_users: |U(m)|.
        read_users: number of users of m that were read: a sample if fewer than all.
    """
    if read_users == 0:
        return np.zeros(len(shared_user_counts))
    shared = shared_user_counts.astype(np.float64)
    users = np.maximum(user_counts, 1).astype(np.float64)
    if all_users == read_users:
        squares = (shared * shared) / (users * all_users)
    else:
        squares = (shared * shared * all_users) / (users * float(read_users * read_users))
    return np.sqrt(np.minimum(squares, 1.0))


def genre_overlaps(item_masks: NDArray[np.uint64], mask: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return the Jaccard similarity of genres, in [0, 1]; 0 if neither item has genres.

    Args:
        item_masks: shape (items, words).
        mask: of the item to compare with, shape (words,).
    """
    common = np.bitwise_count(item_masks & mask).sum(axis=1, dtype=np.int64)
    either = np.bitwise_count(item_masks | mask).sum(axis=1, dtype=np.int64)
    return np.asarray(common / np.maximum(either, 1))
