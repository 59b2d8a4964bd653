"""The compiled loops of user_knn; they run in parallel, without the interpreter's lock.

Overlaps of all users with a user are first estimated in 16 bits: the users of a popular item are a row of
bits, of which a CPU processes dozens at a time. Users who may be among the most similar are then computed
exactly.
"""

import numpy as np
from numpy.typing import NDArray

from recommender.models.user_knn import kernels_in_numpy
from recommender.models.user_knn.layout import BLOCK_WORDS, WORD_USERS
from recommender.system.compiled import compiled, compiled_or

# Users that are skipped together if none of them is similar enough.
_SCANNED_USERS = 64
_ROUNDING = kernels_in_numpy.ROUNDING


@compiled
def _add_where_set(
    overlaps: NDArray[np.uint16], words: NDArray[np.uint16], bit: np.uint16, weight: np.uint16
) -> None:
    # A function of its own with one integer width, or the compiler does not vectorize it.
    for i in range(overlaps.size):
        if words[i] & bit:
            overlaps[i] += weight


@compiled_or(kernels_in_numpy.add_popular)
def add_popular(
    overlaps: NDArray[np.uint16],
    user_bits: NDArray[np.uint16],
    rows: NDArray[np.int64],
    weights: NDArray[np.uint16],
) -> None:
    """Add each item's weight to the overlaps of its users, for items that have a row of bits.

    Args:
        overlaps: shape (16 x words,), added to in place.
        user_bits: shape (items with a row, words), whole blocks of words.
        rows, weights: parallel, one entry per item.
    """
    words = user_bits.shape[1]
    for start in range(0, words, BLOCK_WORDS):
        end = min(start + BLOCK_WORDS, words)
        for i in range(rows.size):
            block = user_bits[rows[i], start:end]
            for bit in range(WORD_USERS):
                first = bit * words
                _add_where_set(overlaps[first + start : first + end], block, np.uint16(1 << bit), weights[i])


@compiled_or(kernels_in_numpy.add_rare)
def add_rare(
    overlaps: NDArray[np.uint16],
    item_start: NDArray[np.int64],
    users_of_item: NDArray[np.int32],
    item_idx: NDArray[np.int64],
    weights: NDArray[np.uint16],
) -> None:
    """Add each item's weight to the overlaps of its users, one by one.

    Args:
        overlaps: shape (users or more,), added to in place.
        item_start, users_of_item: the users of item m are users_of_item[item_start[m]:item_start[m + 1]].
        item_idx, weights: parallel, one entry per item.
    """
    for i in range(item_idx.size):
        weight = weights[i]
        for entry in range(item_start[item_idx[i]], item_start[item_idx[i] + 1]):
            overlaps[users_of_item[entry]] += weight


@compiled_or(kernels_in_numpy.find_contenders)
def find_contenders(
    overlaps: NDArray[np.uint16],
    inverse_norms: NDArray[np.float32],
    user_start: NDArray[np.int64],
    top_k: int,
) -> NDArray[np.int64]:
    """Return the user_idx of all users who may be among the `top_k` most similar.

    Args:
        overlaps: rounded up, by less than 1 for each common item.
        inverse_norms: shape (users,), 1 / sqrt(|P(v)| + 10).
        user_start: |P(v)| is user_start[v + 1] - user_start[v].
        top_k: how many are wanted.
    """
    users = inverse_norms.size
    best = np.zeros(top_k, dtype=np.float32)
    surest = np.zeros(top_k, dtype=np.float32)
    for start in range(0, users, _SCANNED_USERS):
        end = min(start + _SCANNED_USERS, users)
        if not _any_reaches(overlaps[start:end], inverse_norms[start:end], best[top_k - 1]):
            continue
        for user in range(start, end):
            similarity = np.float32(overlaps[user]) * inverse_norms[user]
            if similarity > best[top_k - 1]:
                excess = np.float32(min(overlaps[user], user_start[user + 1] - user_start[user]))
                rank = _insert(best, similarity)
                _insert_at(surest, rank, similarity - excess * inverse_norms[user])
    # Lower bounds of the `top_k` largest similarities: users whose upper bound is smaller than all are out.
    least = surest[0]
    for value in surest:
        least = min(least, value)
    needed = max(np.float32(0.0), least * np.float32(_ROUNDING))
    contenders = [np.int64(0) for _ in range(0)]
    for start in range(0, users, _SCANNED_USERS):
        end = min(start + _SCANNED_USERS, users)
        if not _any_reaches(overlaps[start:end], inverse_norms[start:end], needed):
            continue
        for user in range(start, end):
            if overlaps[user] and np.float32(overlaps[user]) * inverse_norms[user] >= needed:
                contenders.append(np.int64(user))  # noqa: PERF401 - compiled
    return np.array(contenders, dtype=np.int64)


@compiled
def _any_reaches(
    overlaps: NDArray[np.uint16], inverse_norms: NDArray[np.float32], similarity: np.float32
) -> bool:
    # Count all instead of stopping at the first: this can be vectorized.
    reached = np.int32(0)
    for i in range(overlaps.size):
        reached += np.int32(np.float32(overlaps[i]) * inverse_norms[i] >= similarity)
    return bool(reached > 0)


@compiled
def _insert(descending: NDArray[np.float32], value: np.float32) -> int:
    """Insert a value in sorted order behind its equals, and drop the last one."""
    rank = descending.size - 1
    while rank > 0 and descending[rank - 1] < value:
        descending[rank] = descending[rank - 1]
        rank -= 1
    descending[rank] = value
    return rank


@compiled
def _insert_at(values: NDArray[np.float32], rank: int, value: np.float32) -> None:
    """Insert a value at an index, and drop the last one."""
    # A loop: compiling a slice assignment takes longer than compiling everything else.
    for later in range(values.size - 1, rank, -1):
        values[later] = values[later - 1]
    values[rank] = value


@compiled_or(kernels_in_numpy.overlaps_of)
def overlaps_of(
    users: NDArray[np.int64],
    item_weights: NDArray[np.int64],
    user_start: NDArray[np.int64],
    items_of_user: NDArray[np.int32],
) -> NDArray[np.int64]:
    """Return the exact overlaps of some users; `item_weights` has the idf of the history's items, else 0."""
    overlaps = np.zeros(users.size, dtype=np.int64)
    for i in range(users.size):
        for entry in range(user_start[users[i]], user_start[users[i] + 1]):
            overlaps[i] += item_weights[items_of_user[entry]]
    return overlaps


@compiled_or(kernels_in_numpy.sum_of_users)
def sum_of_users(
    users: NDArray[np.int64],
    user_start: NDArray[np.int64],
    items_of_user: NDArray[np.int32],
    values: NDArray[np.float64],
    item_count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count those of `users` who have each item, and sum their values; two arrays of shape (items,)."""
    counts = np.zeros(item_count, dtype=np.int64)
    totals = np.zeros(item_count, dtype=np.float64)
    for user in users:
        for entry in range(user_start[user], user_start[user + 1]):
            counts[items_of_user[entry]] += 1
            totals[items_of_user[entry]] += values[entry]
    return counts, totals
