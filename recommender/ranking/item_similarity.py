"""How much one medium is like others."""

import numpy as np
from numpy.typing import NDArray


def cosine_similarities(
    shared_user_counts: NDArray[np.int64], user_counts: NDArray[np.int64], all_users: int, read_users: int
) -> NDArray[np.float64]:
    """|U(m) ∩ U(n)| / sqrt(|U(m)| × |U(n)|), the cosine over users, in [0, 1].

    Similarities that are equal in exact arithmetic are equal here: each is the square root of one division of
    whole numbers.

    Args:
        shared_user_counts: how many of the users of m that were read have n, for each n.
        user_counts: |U(n)|, parallel; never below the count that is shared.
        all_users: |U(m)|.
        read_users: how many of those were read; where that is not all of them, they stand for the others.
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
    """Genres in common by genres in either (Jaccard), in [0, 1]; 0 where there are none.

    Args:
        item_masks: shape (media, words).
        mask: shape (words,), of the medium they are compared with.
    """
    common = np.bitwise_count(item_masks & mask).sum(axis=1, dtype=np.int64)
    either = np.bitwise_count(item_masks | mask).sum(axis=1, dtype=np.int64)
    return np.asarray(common / np.maximum(either, 1))
