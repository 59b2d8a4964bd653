"""Find the positive items of users, and the most similar users."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.data.interactions import InteractionKind
from recommender.models.user_knn.similarity import DAMPING

# Plain integers, which are compared with arrays of bytes without converting these.
LIKE, DISLIKE = InteractionKind.LIKE.value, InteractionKind.DISLIKE.value
# Values are integers in steps of 10^-9, so that sums do not depend on the order.
VALUE_STEPS = 1e9

_MAX_VALUE = 1e100
_NEVER = np.iinfo(np.int64).min
# Odd, with well-spread bits: makes the pairs of different users differ.
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
# Up to this many times the wanted users, sorting is as fast as selecting.
_WORTH_A_PARTITION = 200
# An upper bound of the relative rounding error of a similarity.
_ROUNDING = 1.0 - 1e-12


class ConcatenatedInteractions(NamedTuple):
    """Interactions of users, concatenated by user, latest first.

    `user_sizes`: the number of interactions of each user, shape (users,). The others are parallel, one entry
    per interaction: `items`, numbers that identify them, and `times`, in microseconds. The class also holds
    the latest users of items, with items and users exchanged.
    """

    user_sizes: NDArray[np.int64]
    items: NDArray[np.uint64]
    times: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    values: NDArray[np.float64]


class PositiveItems(NamedTuple):
    """The positive items of users, latest first.

    The pairs of user n are those from `user_start[n]` to `user_start[n + 1]`. `rows`: the index of each
    pair's latest interaction. `value_steps`: the sum of the values of the pair's likes and watches, in
    integer steps of 10^-9.
    """

    user_start: NDArray[np.int64]
    rows: NDArray[np.intp]
    value_steps: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """|P(v)| of each user."""
        return np.diff(self.user_start)

    def of_users(self, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where each user's pairs begin, and the concatenated indices of the pairs."""
        starts = self.user_start[users]
        sizes = self.user_start[users + 1] - starts
        user_start = _starts(sizes)
        return user_start, np.arange(user_start[-1]) + np.repeat(starts - user_start[:-1], sizes)


def value_steps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values in integer steps of 10^-9; 0 for values that are not finite or beyond 1e100."""
    native = values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        native[~(np.abs(native) <= _MAX_VALUE)] = 0.0
    native *= VALUE_STEPS
    return np.rint(native, out=native)


def positive_items(interactions: ConcatenatedInteractions, items_per_user: int) -> PositiveItems:
    """Compute P(v) of users from their interactions.

    An item is in P(v) if v liked or watched it, unless its latest like or dislike is a dislike; a dislike
    wins against a like at the same moment. Only each user's latest `items_per_user` items count.
    """
    sizes = interactions.user_sizes
    users = np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes)
    pairs = interactions.items ^ (users * _SPREAD)
    kept = interactions.kinds != DISLIKE
    steps = value_steps(interactions.values)
    repeated = _repeated_rows(pairs)
    if repeated.size:
        starts = np.flatnonzero(np.diff(pairs[repeated], prepend=~pairs[repeated[:1]]))
        kinds = interactions.kinds[repeated]
        totals = np.add.reduceat(np.where(kinds == DISLIKE, 0.0, steps[repeated]), starts)
        # The latest interaction represents each pair.
        latest = repeated[starts]
        kept[repeated] = False
        kept[latest] = _are_approved(interactions.times[repeated], kinds, starts)
        steps[latest] = totals
    rows = np.flatnonzero(kept)
    user_start = _starts(kept)[_starts(sizes)]
    counts = np.diff(user_start)
    if counts.max(initial=0) > items_per_user:
        ranks = np.arange(len(rows)) - np.repeat(user_start[:-1], counts)
        rows = rows[ranks < items_per_user]
        user_start = _starts(np.minimum(counts, items_per_user))
    return PositiveItems(user_start=user_start, rows=rows, value_steps=steps[rows])


def most_similar(overlaps: NDArray[np.int64], sizes: NDArray[np.int64], top_k: int) -> NDArray[np.intp]:
    """Return the indices of the `top_k` users with the largest overlap / sqrt(|P(v)| + 10), largest first.

    Values that are equal in exact arithmetic are equal here: ties go to the first user.

    Args:
        overlaps: shape (users,), sums of idf in fixed point.
        sizes: shape (users,), |P(v)|.
        top_k: how many users to return.
    """
    found = similarities(overlaps, sizes)
    if len(overlaps) > _WORTH_A_PARTITION + top_k:
        contenders = np.flatnonzero(found >= reached_by_top(found, top_k))
        order = contenders[np.argsort(-found[contenders], kind="stable")]
    else:
        order = contenders = np.argsort(-found, kind="stable")
    if not _any_tie(order[: top_k + 1], found, overlaps, sizes):
        return order[:top_k]
    contenders.sort()
    # The square of a similarity is a fraction of integers; 64 more bits distinguish all fractions.
    exact = [
        (overlap * overlap << 64) // (size + DAMPING)
        for overlap, size in zip(overlaps[contenders].tolist(), sizes[contenders].tolist(), strict=True)
    ]
    # A reversed stable sort keeps the order of equals.
    ranked = sorted(range(len(exact)), key=exact.__getitem__, reverse=True)
    return contenders[ranked[:top_k]]


def similarities(overlaps: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return overlap / sqrt(|P(v)| + 10) of each user, as floats; see `most_similar`."""
    return np.asarray(overlaps / np.sqrt(sizes + DAMPING))


def reached_by_top(similarities: NDArray[np.float64], top_k: int) -> float:
    """Return a lower bound of the `top_k` largest similarities, even if rounded; 0 if there are fewer."""
    if len(similarities) < top_k:
        return 0.0
    kth = len(similarities) - top_k
    return float(np.partition(similarities, kth)[kth]) * _ROUNDING


def _any_tie(
    order: NDArray[np.intp],
    similarities: NDArray[np.float64],
    overlaps: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> bool:
    """Return whether rounding may have swapped neighbours; those with equal numbers are true ties."""
    ordered = similarities[order]
    close = ordered[1:] >= ordered[:-1] * _ROUNDING
    if not close.any():
        return False
    before, after = order[:-1][close], order[1:][close]
    return bool(((overlaps[after] != overlaps[before]) | (sizes[after] != sizes[before])).any())


def damping_weights(sizes: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return 1 / sqrt(|P(v)| + 10) in integer steps of 2^-16, so that sums do not depend on the order."""
    return np.rint(math.pow(2, 16) / np.sqrt(sizes + DAMPING)).astype(np.int64)


def _repeated_rows(pairs: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return the indices of the interactions of pairs with several, pair by pair, latest first."""
    ordered = np.sort(pairs)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not repeated.size:
        return np.empty(0, dtype=np.intp)
    # The first bits rule out nearly all other pairs without a search.
    mask = np.zeros(1 << 16, dtype=np.bool_)
    mask[_first_bits(repeated)] = True
    rows: NDArray[np.intp] = np.flatnonzero(mask[_first_bits(pairs)])
    own = pairs[rows]
    nearest = np.minimum(np.searchsorted(repeated, own), len(repeated) - 1)
    rows = rows[repeated[nearest] == own]
    order = np.argsort(pairs[rows], kind="stable")
    return rows[order]


def _first_bits(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the first 16 bits of each key."""
    return (keys >> np.uint64(48)).view(np.int64)


def _are_approved(
    times: NDArray[np.int64], kinds: NDArray[np.uint8], starts: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return whether the interactions from each of `starts` to the next put an item into P."""
    # The smallest integer, before all times, stands for never.
    moments = np.maximum(times, _NEVER + 1)
    liked_at = np.maximum.reduceat(np.where(kinds == LIKE, moments, _NEVER), starts)
    disliked_at = np.maximum.reduceat(np.where(kinds == DISLIKE, moments, _NEVER), starts)
    speaks_for = np.logical_or.reduceat(kinds != DISLIKE, starts)
    return np.asarray(speaks_for & ((disliked_at == _NEVER) | (liked_at > disliked_at)))


def _starts(sizes: NDArray[Any]) -> NDArray[np.int64]:
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts
