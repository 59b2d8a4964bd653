"""The compiled loops of `kernels` in numpy, for systems without numba. Results are the same.

`kernels` describes the arguments.
"""

import numpy as np
from numpy.typing import NDArray

from recommender.models.user_knn.layout import WORD_USERS

# An upper bound of the relative rounding error of a similarity in 32-bit floats.
ROUNDING = 1.0 - 1e-5


def add_popular(
    overlaps: NDArray[np.uint16],
    user_bits: NDArray[np.uint16],
    rows: NDArray[np.int64],
    weights: NDArray[np.uint16],
) -> None:
    """Add each item's weight to the overlaps of its users, for items that have a row of bits."""
    words = user_bits.shape[1]
    for row, weight in zip(rows, weights, strict=True):
        for bit in range(WORD_USERS):
            is_set = (user_bits[row] >> np.uint16(bit)) & np.uint16(1)
            overlaps[bit * words : (bit + 1) * words] += is_set * weight


def add_rare(
    overlaps: NDArray[np.uint16],
    item_start: NDArray[np.int64],
    users_of_item: NDArray[np.int32],
    item_idx: NDArray[np.int64],
    weights: NDArray[np.uint16],
) -> None:
    """Add each item's weight to the overlaps of its users, one by one."""
    for item, weight in zip(item_idx, weights, strict=True):
        np.add.at(overlaps, users_of_item[item_start[item] : item_start[item + 1]], weight)


def find_contenders(
    overlaps: NDArray[np.uint16],
    inverse_norms: NDArray[np.float32],
    user_start: NDArray[np.int64],
    top_k: int,
) -> NDArray[np.int64]:
    """Return the user_idx of all users who may be among the `top_k` most similar."""
    users = inverse_norms.size
    reached = overlaps[:users]
    similarities = reached.astype(np.float32) * inverse_norms
    excess = np.minimum(reached, np.diff(user_start[: users + 1])).astype(np.float32)
    least = np.float32(0.0)
    if users > top_k:
        # A lower bound of the `top_k`-th largest similarity.
        least = np.partition(similarities - excess * inverse_norms, users - top_k)[users - top_k]
    needed = max(np.float32(0.0), least * np.float32(ROUNDING))
    return np.flatnonzero((reached > 0) & (similarities >= needed)).astype(np.int64)


def overlaps_of(
    users: NDArray[np.int64],
    item_weights: NDArray[np.int64],
    user_start: NDArray[np.int64],
    items_of_user: NDArray[np.int32],
) -> NDArray[np.int64]:
    """Return the exact overlaps of some users."""
    entries, ends = _entries_of(users, user_start)
    sums = np.concatenate(([0], np.cumsum(item_weights[items_of_user[entries]])))
    return np.diff(sums[ends]).astype(np.int64)


def sum_of_users(
    users: NDArray[np.int64],
    user_start: NDArray[np.int64],
    items_of_user: NDArray[np.int32],
    values: NDArray[np.float64],
    item_count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count those of `users` who have each item, and sum their values; two arrays of shape (items,)."""
    entries, _ = _entries_of(users, user_start)
    item_idx = items_of_user[entries]
    counts = np.bincount(item_idx, minlength=item_count).astype(np.int64)
    totals = np.bincount(item_idx, weights=values[entries], minlength=item_count)
    return counts, totals.astype(np.float64)


def _entries_of(
    users: NDArray[np.int64], user_start: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of all entries of some users, and the bounds of each user among them."""
    lengths = user_start[users + 1] - user_start[users]
    ends = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return np.repeat(user_start[users] - ends[:-1], lengths) + np.arange(ends[-1]), ends
