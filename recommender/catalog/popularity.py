"""Popularity of items in the window, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recommender.databases.engagement_db import ItemCounts
from recommender.texts.id_table import IdTable, IdTexts


@dataclass(frozen=True)
class Popularity:
    """Counts over the positive interactions in the window.

    `ids`: of items, in the catalog or not. Parallel, `users`: the number of users of each, and `repeats`: the
    interactions per user, rounded, at least 1. `active_users`: the number of all users (the U of idf).
    `window_start`: of the window. `known`: false until engagement_db has been counted. `rows`: the number of
    interactions of all types in the window.
    """

    ids: IdTable
    users: NDArray[np.int64]
    repeats: NDArray[np.int64]
    active_users: int
    window_start: str = "-infinity"
    known: bool = True
    rows: int = 0

    @classmethod
    def of(
        cls,
        positive_users: Mapping[str, int],
        active_users: int,
        *,
        window_start: str = "-infinity",
        known: bool = True,
        repeats: Mapping[str, int] | None = None,
    ) -> Self:
        """Return counts by item as arrays; `repeats` only for items with users."""
        given = repeats or {}
        return cls(
            IdTable(IdTexts.of(list(positive_users))),
            np.fromiter(positive_users.values(), dtype=np.int64, count=len(positive_users)),
            np.array([given.get(item_id, 1) for item_id in positive_users], dtype=np.int64),
            active_users,
            window_start=window_start,
            known=known,
        )

    @classmethod
    def of_counts(cls, counts: ItemCounts, active_users: int, window_start: str) -> Self:
        """Return the counts of a window."""
        has_users = counts.users > 0
        repeats = np.rint(counts.rows / np.maximum(counts.users, 1)).astype(np.int64)
        return cls(
            IdTable(counts.ids),
            counts.users,
            np.where(has_users, np.maximum(repeats, 1), 1),
            active_users,
            window_start=window_start,
            rows=int(counts.rows.sum()),
        )

    def users_of(self, item_ids: IdTexts | Sequence[str]) -> NDArray[np.int64]:
        """Return the number of users of each of some items, 0 for unknown ones; same length."""
        return self._of(item_ids, self.users, 0)

    def repeats_of(self, item_ids: IdTexts | Sequence[str]) -> NDArray[np.int64]:
        """Return the interactions per user of each of some items; same length."""
        return self._of(item_ids, self.repeats, 1)

    def _of(
        self, item_ids: IdTexts | Sequence[str], values: NDArray[np.int64], other: int
    ) -> NDArray[np.int64]:
        found = self.ids.locate(item_ids)
        if not len(values):
            return np.full(len(found), other, dtype=np.int64)
        return np.where(found >= 0, values[found], other)

    def work_out(self) -> None:
        """Compute the cached properties now."""
        _ = self.pairs, self.most_repeats, self.typical_repeats

    @cached_property
    def pairs(self) -> int:
        """The number of pairs of a user and an item behind the counts."""
        return int(self.users.sum())

    @cached_property
    def most_repeats(self) -> int:
        """The maximum over items of interactions per user."""
        return int(self.repeats.max(initial=1))

    @cached_property
    def typical_repeats(self) -> int:
        """The median over pairs of the item's interactions per user."""
        if not self.pairs:
            return 1
        order = np.argsort(self.repeats, kind="stable")
        middle = np.searchsorted(2 * np.cumsum(self.users[order]), self.pairs)
        return int(self.repeats[order[middle]])


UNKNOWN_POPULARITY = Popularity.of({}, active_users=0, known=False)
