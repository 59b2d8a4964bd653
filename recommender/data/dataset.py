"""Interactions as sparse arrays with vocabularies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.databases.engagement_db import PositiveHistory


@dataclass(frozen=True, slots=True)
class Dataset:
    """What users have a positive interaction with inside a window; each pair of user and item once.

    `user_ids`: ascending. `item_ids`: in no order. The pairs of user u are those from `user_start[u]` to
    `user_start[u + 1]`, the latest first. Parallel, one entry a pair: `item_idx`, positions in `item_ids`;
    `values`, the sum of the values of the user's likes and watches; `liked`, whether there is a like among
    them; `times`, the last of them, in seconds since 1970 UTC. `window_start`: as SQL takes it.
    """

    user_ids: Sequence[str]
    item_ids: Sequence[str]
    user_start: NDArray[np.int64]
    item_idx: NDArray[np.int32]
    values: NDArray[np.float64]
    liked: NDArray[np.bool_]
    times: NDArray[np.float64]
    window_start: str

    @property
    def counts(self) -> Mapping[str, int]:
        """How many users, items (`media`) and pairs there are."""
        return {"users": len(self.user_ids), "media": len(self.item_ids), "pairs": len(self.item_idx)}

    @property
    def user_idx(self) -> NDArray[np.int32]:
        """The position of each pair's user in `user_ids`; shape (pairs,)."""
        return np.repeat(np.arange(len(self.user_ids), dtype=np.int32), np.diff(self.user_start))


class _Numbers(dict[str, int]):
    """Numbers ids in the order in which they are first asked for."""

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self)
        return number


def dataset_of(histories: Iterable[PositiveHistory], window_start: str) -> Dataset:
    """Return the dataset of users' histories, which may come in any order, one of each user."""
    numbers = _Numbers()
    rows = []
    for history in histories:
        item_ids = history.item_ids
        item_idx = np.fromiter(map(numbers.__getitem__, item_ids), dtype=np.int32, count=len(item_ids))
        latest_first = np.argsort(-history.times, kind="stable")
        rows.append(
            (
                history.user_id,
                item_idx[latest_first],
                history.total_values[latest_first],
                np.asarray(history.liked, dtype=np.bool_)[latest_first],
                history.times[latest_first],
            )
        )
    rows.sort(key=lambda row: row[0])
    return Dataset(
        user_ids=[user_id for user_id, *_ in rows],
        item_ids=list(numbers),
        user_start=np.concatenate(([0], np.cumsum([len(row[1]) for row in rows], dtype=np.int64))),
        item_idx=np.concatenate([row[1] for row in rows] or [np.empty(0, dtype=np.int32)]),
        values=np.concatenate([row[2] for row in rows] or [np.empty(0)]),
        liked=np.concatenate([row[3] for row in rows] or [np.empty(0, dtype=np.bool_)]),
        times=np.concatenate([row[4] for row in rows] or [np.empty(0)]),
        window_start=window_start,
    )
