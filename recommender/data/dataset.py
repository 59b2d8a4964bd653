"""Interactions as sparse arrays with vocabularies."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.databases.engagement_db import PositiveHistory

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True)
class Dataset:
    """The positive items of users inside a window; each pair of user and item once.

    `user_ids`, `item_ids`: ascending. The pairs of user u are those from `user_start[u]` to
    `user_start[u + 1]`, the latest first. Parallel, one entry per pair: `item_idx`, indices of `item_ids`;
    `values`, the sum of the values of the user's likes and watches; `liked`, whether one of them is a like;
    `times`, of the last of them, in seconds since 1970 UTC. `window_start`: as text for SQL. `forgotten`:
    the state of the list of forgotten users that were left out; None for no list.
    """

    user_ids: Sequence[str]
    item_ids: Sequence[str]
    user_start: NDArray[np.int64]
    item_idx: NDArray[np.int32]
    values: NDArray[np.float64]
    liked: NDArray[np.bool_]
    times: NDArray[np.float64]
    window_start: str
    forgotten: str | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only: several models may learn from one dataset."""
        for array in (self.user_start, self.item_idx, self.values, self.liked, self.times):
            array.setflags(write=False)

    @property
    def counts(self) -> Mapping[str, int]:
        """The numbers of users, items (`media`) and pairs."""
        return {"users": len(self.user_ids), "media": len(self.item_ids), "pairs": len(self.item_idx)}

    @property
    def user_idx(self) -> NDArray[np.int32]:
        """The index in `user_ids` of each pair's user; shape (pairs,)."""
        return np.repeat(np.arange(len(self.user_ids), dtype=np.int32), np.diff(self.user_start))

    def matrix(self, values: NDArray[np.float32]) -> "csr_array":
        """Return the matrix of users × items with a value for each pair, as new, writable arrays."""
        # Only training needs it.
        from scipy.sparse import csr_array  # noqa: PLC0415 - see above

        shape = (len(self.user_ids), len(self.item_ids))
        matrix = csr_array((values, self.item_idx.copy(), self.user_start.copy()), shape=shape)
        matrix.sort_indices()
        return matrix


def dataset_of(histories: Iterable[PositiveHistory], window_start: str) -> Dataset:
    """Return the dataset of histories in any order, one history per user.

    The same histories give the same dataset: items with equal times are ordered by id.
    """
    idx_of = _Vocabulary()
    rows = sorted(_with_idx(histories, idx_of), key=lambda row: row.user_id)
    item_ids = sorted(idx_of)
    rank_of = np.empty(len(idx_of), dtype=np.int32)
    rank_of[[idx_of[item_id] for item_id in item_ids]] = np.arange(len(idx_of), dtype=np.int32)
    sizes = [len(row.item_idx) for row in rows]
    item_idx = rank_of[np.concatenate([np.empty(0, dtype=np.int32), *(row.item_idx for row in rows)])]
    times = np.concatenate([np.empty(0), *(row.times for row in rows)])
    order = np.lexsort((item_idx, -times, np.repeat(np.arange(len(rows)), sizes)))
    return Dataset(
        user_ids=[row.user_id for row in rows],
        item_ids=item_ids,
        user_start=np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))),
        item_idx=item_idx[order],
        values=np.concatenate([np.empty(0), *(row.values for row in rows)])[order],
        liked=np.concatenate([np.empty(0, dtype=np.bool_), *(row.liked for row in rows)])[order],
        times=times[order],
        window_start=window_start,
    )


class _Vocabulary(dict[str, int]):
    """The index of each id, in the order of their first use."""

    def __missing__(self, key: str) -> int:
        idx = self[key] = len(self)
        return idx


class _Row(NamedTuple):
    """A user's history with indices instead of item ids."""

    user_id: str
    item_idx: NDArray[np.int32]
    values: NDArray[np.float64]
    liked: NDArray[np.bool_]
    times: NDArray[np.float64]


def _with_idx(histories: Iterable[PositiveHistory], idx_of: _Vocabulary) -> Iterator[_Row]:
    for history in histories:
        count = len(history.item_ids)
        yield _Row(
            history.user_id,
            np.fromiter(map(idx_of.__getitem__, history.item_ids), dtype=np.int32, count=count),
            history.total_values,
            np.asarray(history.liked, dtype=np.bool_),
            history.times,
        )
