"""How popular media are in the window, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recommender.databases.engagement_db import ItemCounts
from recommender.id_table import IdTable, IdTexts


@dataclass(frozen=True)
class Popularity:
    """Counts over the positive interactions in the window.

    `ids`: of media, in the catalog or not. Parallel, `users`: how many users each has, and `repeats`: how
    many interactions for each of its users, rounded, at least 1. `active_users`: how many users there are in
    all (the U of idf). `window_start`: of the window. `known`: false where engagement_db could not be asked
    yet. `rows`: how many interactions the window holds, of any type.
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
        """Return counts by medium as arrays; `repeats` only of media that have users."""
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
        """Return what was counted in a window."""
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
        """Return how many users each of some media has, 0 for those without; same length."""
        return self._of(item_ids, self.users, 0)

    def repeats_of(self, item_ids: IdTexts | Sequence[str]) -> NDArray[np.int64]:
        """Return how many interactions each of some media has for each of its users; same length."""
        return self._of(item_ids, self.repeats, 1)

    def _of(
        self, item_ids: IdTexts | Sequence[str], values: NDArray[np.int64], other: int
    ) -> NDArray[np.int64]:
        found = self.ids.locate(item_ids)
        if not len(values):
            return np.full(len(found), other, dtype=np.int64)
        return np.where(found >= 0, values[found], other)

    def work_out(self) -> None:
        """Work out what is worked out once."""
        _ = self.pairs, self.most_repeats, self.typical_repeats

    @cached_property
    def pairs(self) -> int:
        """How many pairs of a user and a medium the counts are of."""
        return int(self.users.sum())

    @cached_property
    def most_repeats(self) -> int:
        """The most interactions that a medium has for each of its users."""
        return int(self.repeats.max(initial=1))

    @cached_property
    def typical_repeats(self) -> int:
        """The median over pairs of how many interactions a medium has for each of its users."""
        if not self.pairs:
            return 1
        order = np.argsort(self.repeats, kind="stable")
        middle = np.searchsorted(2 * np.cumsum(self.users[order]), self.pairs)
        return int(self.repeats[order[middle]])


UNKNOWN_POPULARITY = Popularity.of({}, active_users=0, known=False)
