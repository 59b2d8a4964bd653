"""All interactions as parallel arrays, and the positive pairs among them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.databases.engagement_db import InteractionArrays, PositiveHistory

# Values count in steps of 10^-9, as in SQL: sums of whole steps do not depend on the order of the rows.
_STEPS = 1e9


class InteractionKind(IntEnum):
    """The meaning of an interaction; `OTHER` does not score, but may exclude the item."""

    OTHER = 0
    LIKE = 1
    WATCH = 2
    DISLIKE = 3


@dataclass(frozen=True, slots=True)
class Interactions:
    """Interactions, one entry each.

    `user_ids`, `item_ids`: vocabularies, ascending. Parallel: `user_idx` and `item_idx`, indices of these;
    `kinds`, numbers of `InteractionKind`; `values`; `times`, seconds since 1970 UTC, NaN if unknown;
    `excluding`, whether the interaction excludes the item from recommendations.
    """

    user_ids: Sequence[str]
    item_ids: Sequence[str]
    user_idx: NDArray[np.int32]
    item_idx: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    values: NDArray[np.float64]
    times: NDArray[np.float64]
    excluding: NDArray[np.bool_]

    def select(self, mask: NDArray[np.bool_]) -> "Interactions":
        """Return the interactions of a mask, with the same vocabularies."""
        return replace(
            self,
            user_idx=self.user_idx[mask],
            item_idx=self.item_idx[mask],
            kinds=self.kinds[mask],
            values=self.values[mask],
            times=self.times[mask],
            excluding=self.excluding[mask],
        )

    def of_users(self, kept: NDArray[np.bool_]) -> "Interactions":
        """Return the interactions of some users, without the other users' ids; shape of the mask (users,)."""
        selected = self.select(kept[self.user_idx])
        rank = np.cumsum(kept, dtype=np.int32) - 1
        return replace(
            selected,
            user_ids=[self.user_ids[user] for user in np.flatnonzero(kept).tolist()],
            user_idx=rank[selected.user_idx],
        )

    def since(self, start: float) -> "Interactions":
        """Return the interactions from a moment on, in seconds since 1970 UTC."""
        return self.select(self.times >= start)


class PositivePairs(NamedTuple):
    """Each pair of a user and an item of P(u) once, parallel, by user and then by item.

    `values`: sums over the likes and watches. `liked`: whether one of them is a like. `times`: of the last of
    them.
    """

    user_idx: NDArray[np.int32]
    item_idx: NDArray[np.int32]
    values: NDArray[np.float64]
    liked: NDArray[np.bool_]
    times: NDArray[np.float64]


def interactions_of(rows: Iterable[InteractionArrays]) -> Interactions:
    """Return the interactions of users, given in any order and possibly in several parts."""
    user_idx_of: dict[str, int] = {}
    item_idx_of: dict[str, int] = {}
    parts: list[tuple[NDArray[Any], ...]] = []
    for row in rows:
        user = user_idx_of.setdefault(row.user_id, len(user_idx_of))
        items = [item_idx_of.setdefault(item_id, len(item_idx_of)) for item_id in row.item_ids]
        parts.append(
            (
                np.full(len(items), user, dtype=np.int32),
                np.array(items, dtype=np.int32),
                np.array(row.kinds, dtype=np.uint8),
                np.asarray(row.values, dtype=np.float64),
                np.asarray(row.times, dtype=np.float64),
                np.array(row.excluding, dtype=np.bool_),
            )
        )
    types = (np.int32, np.int32, np.uint8, np.float64, np.float64, np.bool_)
    columns = [
        np.concatenate([np.empty(0, dtype=each), *(part[column] for part in parts)])
        for column, each in enumerate(types)
    ]
    names = ("user_idx", "item_idx", "kinds", "values", "times", "excluding")
    return indexed_interactions(
        list(user_idx_of), list(item_idx_of), **dict(zip(names, columns, strict=True))
    )


def indexed_interactions(
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    *,
    user_idx: NDArray[np.integer[Any]],
    item_idx: NDArray[np.integer[Any]],
    kinds: NDArray[np.uint8],
    values: NDArray[np.float64],
    times: NDArray[np.float64],
    excluding: NDArray[np.bool_],
) -> Interactions:
    """Return interactions whose vocabularies, of distinct ids, are in any order."""
    users, user_rank = _sorted_vocabulary(user_ids)
    items, item_rank = _sorted_vocabulary(item_ids)
    return Interactions(
        users, items, user_rank[user_idx], item_rank[item_idx], kinds, values, times, excluding
    )


def without_repeats(interactions: Interactions) -> Interactions:
    """Return the interactions without exact duplicates."""
    columns = (
        interactions.values,
        interactions.kinds,
        interactions.times,
        interactions.item_idx,
        interactions.user_idx,
    )
    order = np.lexsort(columns)
    is_new = np.zeros(len(order), dtype=np.bool_)
    is_new[:1] = True
    for column in columns:
        ordered = column[order]
        is_new[1:] |= ordered[1:] != ordered[:-1]
    kept = np.zeros(len(order), dtype=np.bool_)
    kept[order[is_new]] = True
    return interactions.select(kept)


def positive_pairs(interactions: Interactions) -> PositivePairs:
    """Return P(u) of all users (docs/explanation/algorithm.md) from interactions in the window.

    The latest like or dislike of an item decides; a dislike wins against a like at the same moment.
    """
    counted = interactions.select(interactions.kinds != InteractionKind.OTHER)
    item_count = max(1, len(counted.item_ids))
    keys, pair_idx = np.unique(
        counted.user_idx.astype(np.int64) * item_count + counted.item_idx, return_inverse=True
    )
    likes, dislikes = counted.kinds == InteractionKind.LIKE, counted.kinds == InteractionKind.DISLIKE
    disliked = _any(pair_idx, dislikes, len(keys))
    liked = _any(pair_idx, likes, len(keys))
    liked_last = _latest(pair_idx, counted.times, likes, len(keys)) > _latest(
        pair_idx, counted.times, dislikes, len(keys)
    )
    # A pair without a dislike has a like or a watch.
    chosen = ~disliked | liked_last
    steps = np.bincount(
        pair_idx, weights=np.where(dislikes, 0.0, np.rint(counted.values * _STEPS)), minlength=len(keys)
    )
    return PositivePairs(
        user_idx=(keys[chosen] // item_count).astype(np.int32),
        item_idx=(keys[chosen] % item_count).astype(np.int32),
        values=steps[chosen] / _STEPS,
        liked=liked[chosen],
        times=_latest(pair_idx, counted.times, ~dislikes, len(keys))[chosen],
    )


def histories_of(pairs: PositivePairs, interactions: Interactions) -> Iterable[PositiveHistory]:
    """Yield each user's positive history, the latest item first, items with equal times by id."""
    order = np.lexsort((pairs.item_idx, -pairs.times, pairs.user_idx))
    user_idx = pairs.user_idx[order]
    bounds = np.flatnonzero(np.concatenate(([True], user_idx[1:] != user_idx[:-1], [True]))).tolist()
    for start, end in pairwise(bounds if len(order) else []):
        rows = order[start:end]
        yield PositiveHistory(
            user_id=interactions.user_ids[user_idx[start]],
            item_ids=[interactions.item_ids[item] for item in pairs.item_idx[rows].tolist()],
            total_values=pairs.values[rows],
            liked=pairs.liked[rows].tolist(),
            times=pairs.times[rows],
        )


def _sorted_vocabulary(ids: Sequence[str]) -> tuple[list[str], NDArray[np.int32]]:
    """Return sorted ids, and for each former index the new one."""
    order = sorted(range(len(ids)), key=ids.__getitem__)
    rank = np.empty(len(ids), dtype=np.int32)
    rank[order] = np.arange(len(ids), dtype=np.int32)
    return [ids[idx] for idx in order], rank


def _any(pair_idx: NDArray[np.intp], mask: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    found = np.zeros(count, dtype=np.bool_)
    found[pair_idx[mask]] = True
    return found


def _latest(
    pair_idx: NDArray[np.intp], times: NDArray[np.float64], mask: NDArray[np.bool_], count: int
) -> NDArray[np.float64]:
    latest = np.full(count, -np.inf)
    np.maximum.at(latest, pair_idx[mask], times[mask])
    return latest
