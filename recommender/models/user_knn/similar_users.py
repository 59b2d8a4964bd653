"""From interactions to similar users: what users have in their favour, and which of them are most similar."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.models.user_knn.similarity import DAMPING

# Kinds of interaction, as fetch_media_of_users numbers them.
LIKE, WATCH, DISLIKE = 1, 2, 3
# Values count in steps of 10^-9: whole numbers of them add up to the same sum in any order.
VALUE_STEPS = 1e9

_MAX_VALUE = 1e100
_NEVER = np.iinfo(np.int64).min
# Odd, with bits all over: what tells the pairs of one user from those of another.
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
# So many more users than are wanted are sorted as quickly as they are sifted.
_WORTH_A_PARTITION = 200
# What rounding may make of a similarity.
_ROUNDING = 1.0 - 1e-12


class Interactions(NamedTuple):
    """Interactions of users, those of one user after those of another, latest first.

    `user_sizes`: shape (users,), how many there are of each user. The others are parallel, one entry an
    interaction: `items` any number that tells them apart, `times` in microseconds. It also holds the latest
    users of media: media then take the place of users, and users that of items.
    """

    user_sizes: NDArray[np.int64]
    items: NDArray[np.uint64]
    times: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    values: NDArray[np.float64]


class PositiveItems(NamedTuple):
    """What users have in their favour, latest first.

    The pairs of user n are those from `user_start[n]` to `user_start[n + 1]`. `rows`: for each pair, the
    position of its latest interaction. `value_steps`: the sum of the values of the pair's likes and watches,
    in whole steps of 10^-9.
    """

    user_start: NDArray[np.int64]
    rows: NDArray[np.intp]
    value_steps: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """|P(v)| of each user."""
        return np.diff(self.user_start)

    def of_users(self, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which pairs are those of some users, one user after the other, and where those of each begin."""
        starts = self.user_start[users]
        sizes = self.user_start[users + 1] - starts
        user_start = _starts(sizes)
        return user_start, np.arange(user_start[-1]) + np.repeat(starts - user_start[:-1], sizes)


def value_steps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values in whole steps of 10^-9; 0 for what is not finite or beyond 1e100."""
    native = values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        native[~(np.abs(native) <= _MAX_VALUE)] = 0.0
    native *= VALUE_STEPS
    return np.rint(native, out=native)


def positive_items(interactions: Interactions, items_per_user: int) -> PositiveItems:
    """Work out P(v) of users from their interactions.

    An item is in P(v) if v liked or watched it, unless the latest verdict, like or dislike, is a dislike; a
    dislike at the same moment as a like decides. Of each user's items the latest `items_per_user` count.
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
        # The latest interaction of each pair stands for all of them.
        latest = repeated[starts]
        kept[repeated] = False
        kept[latest] = _are_approved(interactions.times[repeated], kinds, starts)
        steps[latest] = totals
    rows = np.flatnonzero(kept)
    user_start = _starts(kept)[_starts(sizes)]
    counts = np.diff(user_start)
    if counts.max(initial=0) > items_per_user:
        places = np.arange(len(rows)) - np.repeat(user_start[:-1], counts)
        rows = rows[places < items_per_user]
        user_start = _starts(np.minimum(counts, items_per_user))
    return PositiveItems(user_start=user_start, rows=rows, value_steps=steps[rows])


def most_similar(overlaps: NDArray[np.int64], sizes: NDArray[np.int64], top_k: int) -> NDArray[np.intp]:
    """Positions of the `top_k` users with the largest overlap / sqrt(|P(v)| + 10), the largest first.

    What is equal in exact arithmetic is equal here: ties go to the user who comes first.

    Args:
        overlaps: shape (users,), sums of idf in fixed point.
        sizes: shape (users,), |P(v)|.
        top_k: how many are wanted.
    """
    similarities = overlaps / np.sqrt(sizes + DAMPING)
    if len(overlaps) > _WORTH_A_PARTITION + top_k:
        place = len(overlaps) - top_k
        contenders = np.flatnonzero(similarities >= np.partition(similarities, place)[place] * _ROUNDING)
        order = contenders[np.argsort(-similarities[contenders], kind="stable")]
    else:
        order = contenders = np.argsort(-similarities, kind="stable")
    if not _any_tie(order[: top_k + 1], similarities, overlaps, sizes):
        return order[:top_k]
    contenders.sort()
    # The square of a similarity is a fraction of whole numbers; 64 more bits tell fractions apart.
    exact = [
        (overlap * overlap << 64) // (size + DAMPING)
        for overlap, size in zip(overlaps[contenders].tolist(), sizes[contenders].tolist(), strict=True)
    ]
    # A reversed sort keeps the order of equals.
    ranked = sorted(range(len(exact)), key=exact.__getitem__, reverse=True)
    return contenders[ranked[:top_k]]


def _any_tie(
    order: NDArray[np.intp],
    similarities: NDArray[np.float64],
    overlaps: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> bool:
    """Whether rounding may have put neighbours of the order into it; those with equal numbers it has not."""
    ordered = similarities[order]
    close = ordered[1:] >= ordered[:-1] * _ROUNDING
    if not close.any():
        return False
    before, after = order[:-1][close], order[1:][close]
    return bool(((overlaps[after] != overlaps[before]) | (sizes[after] != sizes[before])).any())


def damping_weights(sizes: NDArray[np.intp]) -> NDArray[np.int64]:
    """1 / sqrt(|P(v)| + 10) in steps of 2^-16, for sums that do not depend on the order of their terms."""
    return np.rint(math.pow(2, 16) / np.sqrt(sizes + DAMPING)).astype(np.int64)


def _repeated_rows(pairs: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Positions of the interactions of pairs that have several, pair by pair, the latest of each first."""
    ordered = np.sort(pairs)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not repeated.size:
        return np.empty(0, dtype=np.intp)
    # Nearly all of the others are told apart by their first bits, without a search.
    marked = np.zeros(1 << 16, dtype=np.bool_)
    marked[_first_bits(repeated)] = True
    rows: NDArray[np.intp] = np.flatnonzero(marked[_first_bits(pairs)])
    own = pairs[rows]
    place = np.minimum(np.searchsorted(repeated, own), len(repeated) - 1)
    rows = rows[repeated[place] == own]
    order = np.argsort(pairs[rows], kind="stable")
    return rows[order]


def _first_bits(numbers: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The first 16 bits of each number."""
    return (numbers >> np.uint64(48)).view(np.int64)


def _are_approved(
    times: NDArray[np.int64], kinds: NDArray[np.uint8], starts: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Whether the interactions from each of `starts` to the next put an item into P."""
    # No moment is as early as never.
    moments = np.maximum(times, _NEVER + 1)
    liked_at = np.maximum.reduceat(np.where(kinds == LIKE, moments, _NEVER), starts)
    disliked_at = np.maximum.reduceat(np.where(kinds == DISLIKE, moments, _NEVER), starts)
    speaks_for = np.logical_or.reduceat(kinds != DISLIKE, starts)
    return np.asarray(speaks_for & ((disliked_at == _NEVER) | (liked_at > disliked_at)))


def _starts(sizes: NDArray[Any]) -> NDArray[np.int64]:
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts
