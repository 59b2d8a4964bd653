"""Find the users with the largest overlaps: the first half of the search for similar users."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.models.user_knn.similar_users import PositiveItems


class Audiences(NamedTuple):
    """The users who like or watched each of some items.

    `users`: the pairs of each item, those of the latest users first. Parallel to the pairs: `folded`, the
    users' keys folded into 64 bits, and `keys`, their binary ids as integers in the order of the ids, shape
    (pairs, words).
    """

    users: PositiveItems
    folded: NDArray[np.uint64]
    keys: NDArray[np.uint64]


class Shortlist(NamedTuple):
    """Users who share items with one user: a pair of `Audiences` for each of them, and the overlap.

    Parallel to `pairs`, `overlaps`: the sums of the idf of the shared items, in fixed point, and
    `shared_counts`: how many items that are.
    """

    pairs: NDArray[np.int64]
    overlaps: NDArray[np.int64]
    shared_counts: NDArray[np.int64]


def draw_up_shortlist(
    audiences: Audiences,
    item_idx: NDArray[np.intp],
    idf_weights: NDArray[np.int64],
    own_folded: np.uint64 | None,
    *,
    users_per_item: int,
    length: int,
) -> Shortlist:
    """Return the users with the largest overlaps, in no order; ties at the end go to the smaller id.

    Args:
        audiences: with one user more per item than `users_per_item`, as the user may be among them.
        item_idx: indices of the user's items in `audiences`.
        idf_weights: parallel to `item_idx`, above 0.
        own_folded: the folded key of the user, to be left out; None for a user without an id.
        users_per_item: how many of the latest other users of an item count.
        length: the largest number of users to return.
    """
    start, pairs = audiences.users.of_users(item_idx)
    history_idx = np.repeat(np.arange(len(item_idx)), np.diff(start))
    folded = audiences.folded[pairs]
    ranks = np.arange(len(pairs)) - start[history_idx]
    if own_folded is None:
        counts = ranks < users_per_item
    else:
        own = folded == own_folded
        # If the user is among the latest, one more counts.
        is_among = np.bincount(history_idx[own & (ranks < users_per_item)], minlength=len(item_idx))
        counts = (ranks < users_per_item + is_among[history_idx]) & ~own
    order = np.flatnonzero(counts)
    order = order[np.argsort(folded[order])]
    if not order.size:
        return Shortlist(*(np.empty(0, np.int64) for _ in Shortlist._fields))
    folded = folded[order]
    first = np.flatnonzero(np.concatenate(([True], folded[1:] != folded[:-1])))
    overlaps = np.add.reduceat(idf_weights[history_idx[order]], first)
    found = Shortlist(pairs[order[first]], overlaps, np.diff(first, append=len(order)))
    if len(overlaps) > length:
        chosen = _largest(overlaps, audiences.keys, found.pairs, length)
        found = Shortlist(*(array[chosen] for array in found))
    return found


def _largest(
    overlaps: NDArray[np.int64], keys: NDArray[np.uint64], pairs: NDArray[np.int64], length: int
) -> NDArray[np.intp]:
    """Return the indices of the `length` largest overlaps, ties by the smaller id."""
    cut = len(overlaps) - length
    smallest = np.partition(overlaps, cut)[cut]
    above = np.flatnonzero(overlaps > smallest)
    equal = np.flatnonzero(overlaps == smallest)
    by_id = np.lexsort(keys[pairs[equal]].T[::-1])
    return np.concatenate((above, equal[by_id[: length - len(above)]]))
