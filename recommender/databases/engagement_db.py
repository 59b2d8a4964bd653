"""Read interactions of users with items from engagement_db."""

import math
from array import array
from collections.abc import Generator, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.ranking_settings import NeighbourSearchSettings
from recommender.databases.arrays import array_text
from recommender.databases.chunks import Chunks
from recommender.databases.connections import Row
from recommender.databases.database import Database
from recommender.databases.estimates import estimate_interactions
from recommender.deadline import Deadline
from recommender.entities import DEFAULT_TYPES, History, InteractionTypes
from recommender.system.clock import PRESENT, Clock
from recommender.texts.id_table import IdTexts

# How many of a user's latest interactions a history includes.
HISTORY_ROWS = 20_000

_SIZE, _TIME, _VALUE = np.dtype(">i4"), np.dtype(">i8"), np.dtype(">f8")


class InteractionLists(NamedTuple):
    """The latest interactions of several users, or with several items: concatenated lists, latest first.

    `sizes`: number of interactions of each list, shape (lists,). Parallel, one entry per interaction: `keys`
    of the items or of the users (concatenated), `times` (microseconds), `kinds` (1 like, 2 watch, 3 dislike)
    and `values`.
    """

    sizes: NDArray[np.int64]
    keys: bytes
    times: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    values: NDArray[np.float64]

    def followed_by(self, others: "InteractionLists") -> "InteractionLists":
        """Return these lists and others, concatenated."""
        return InteractionLists(
            sizes=np.concatenate((self.sizes, others.sizes)),
            keys=self.keys + others.keys,
            times=np.concatenate((self.times, others.times)),
            kinds=np.concatenate((self.kinds, others.kinds)),
            values=np.concatenate((self.values, others.values)),
        )


class SharedItems(NamedTuple):
    """The items that the users of one item liked or watched, that item included.

    `item_keys`, `user_counts`: parallel, the concatenated keys of the items, and how many of the users have
    each. `read_users`: how many users were read.
    """

    item_keys: bytes
    user_counts: NDArray[np.float64]
    read_users: int


class ItemCounts(NamedTuple):
    """How popular items are in a window.

    `ids`: of the items. Parallel, `users`: how many users liked or watched each without a later dislike, and
    `rows`: how many interactions it has, of all types and users.
    """

    ids: IdTexts
    users: NDArray[np.int64]
    rows: NDArray[np.int64]


class PositiveHistory(NamedTuple):
    """A user's items with a positive interaction; parallel, each item once, in no order.

    `total_values`: the summed values of the user's likes and watches. `liked`: whether one of them is a
    like. `times`: of the last of them, in seconds since 1970 UTC.
    """

    user_id: str
    item_ids: list[str]
    total_values: NDArray[np.float64]
    liked: list[bool]
    times: NDArray[np.float64]


class LaterPositives(NamedTuple):
    """Items that a user liked or watched from a moment on, and that could have been recommended then.

    `item_ids`: the earliest first. `had_positives`: whether the user had positive interactions before.
    """

    user_id: str
    item_ids: list[str]
    had_positives: bool


class InteractionArrays(NamedTuple):
    """A user's interactions; parallel, in no order.

    `kinds`: 1 like, 2 watch, 3 dislike, 0 other. `times`: in seconds since 1970 UTC, NaN if there is none.
    `excluding`: whether the interaction excludes the item from recommendations.
    """

    user_id: str
    item_ids: list[str]
    kinds: list[int]
    values: NDArray[np.float64]
    times: NDArray[np.float64]
    excluding: list[bool]


class Exposure(NamedTuple):
    """An interaction with an item that was returned with a token; `happened_at`: seconds since 1970 UTC."""

    token: str
    user_id: str
    item_id: str
    type: str | None
    happened_at: float


class InteractionRow(NamedTuple):
    """One interaction of a user; `happened_at` is ISO 8601 in UTC, None for infinity."""

    item_id: str
    type: str | None
    value: float | None
    happened_at: str | None


class EngagementDatabase:
    """Read engagement_db. `window_start` is a timestamp as text, or `-infinity`.

    With a `clock` set to a past moment, recommendations, counts and training read nothing later.
    """

    def __init__(
        self, database: Database, types: InteractionTypes = DEFAULT_TYPES, clock: Clock = PRESENT
    ) -> None:
        self._database = database
        self.clock = clock
        # In PostgreSQL's format, made once for all statements.
        self._excluding_types = array_text(types.excluding)
        self._positive_types: dict[str, Any] = {
            "like_types": array_text(types.likes),
            "watch_types": array_text(types.watches),
        }
        self._types = {**self._positive_types, "dislike_types": array_text(types.dislikes)}
        # Parameters of all statements that read interactions in a window.
        self._read = {**self._types, "known_until": clock.known_until}

    @property
    def has_connections_to_spare(self) -> bool:
        """Return whether a statement may be sent ahead without taking another request's connection."""
        return self._database.has_connections_to_spare

    def fetch_histories(
        self, user_ids: Sequence[str], window_start: str, deadline: Deadline
    ) -> dict[str, History]:
        """Return histories by user, of their latest `HISTORY_ROWS`; users without interactions are absent."""
        rows = self._database.fetch(
            "fetch_histories",
            deadline,
            user_ids=list(user_ids),
            window_start=window_start,
            excluding_types=self._excluding_types,
            rows_per_user=HISTORY_ROWS,
            **self._read,
        )
        return {
            user_id: History(
                seen_ids or (), positive_ids or (), positive_rows or (), positive_liked or (), user_key
            )
            for user_id, seen_ids, positive_ids, positive_rows, positive_liked, user_key in rows
        }

    def fetch_users_of_items(
        self,
        item_ids: Sequence[str],
        row_limits: Sequence[int],
        window_start: str,
        deadline: Deadline,
        *,
        enough_users: int | None = None,
    ) -> InteractionLists:
        """Return the latest users of each item; `keys` are those of users, `values` all 0.

        `item_ids` and `row_limits` are parallel: how many of the latest interactions to read. With
        `enough_users`, for items with many repeated interactions, each user appears once per kind, and
        reading stops at so many users of an item.
        """
        query_name, parameters = "fetch_users_of_media", {}
        if enough_users is not None:
            query_name, parameters = "fetch_users_of_media_repeated", {"users_per_item": enough_users}
        rows = self._database.fetch(
            query_name,
            deadline,
            media_ids=list(item_ids),
            row_limits=list(row_limits),
            window_start=window_start,
            **parameters,
            **self._read,
        )
        return _lists(rows)

    def fetch_items_of_users(
        self,
        user_keys: Sequence[bytes],
        window_start: str,
        rows_per_user: int,
        deadline: Deadline,
        *,
        repeated: bool,
    ) -> InteractionLists:
        """Return the latest interactions of each user; `keys` are those of items.

        With `repeated`, for users with many repeated interactions, each item appears once per kind, with the
        sum of the values.
        """
        rows = self._database.fetch(
            "fetch_media_of_users_repeated" if repeated else "fetch_media_of_users",
            deadline,
            user_keys=[key.hex() for key in user_keys],
            window_start=window_start,
            rows_per_user=rows_per_user,
            **self._read,
        )
        return _lists(rows)

    def fetch_shared_users(
        self,
        item_id: str,
        row_limit: int,
        window_start: str,
        *,
        caps: NeighbourSearchSettings,
        rows_per_user: int,
        deadline: Deadline,
    ) -> SharedItems:
        """Return the items that the latest users of an item liked or watched, that item included."""
        ((item_keys, user_counts, read_users),) = self._database.fetch(
            "fetch_shared_users",
            deadline,
            media_id=item_id,
            row_limit=row_limit,
            window_start=window_start,
            users_per_item=caps.users_per_item,
            rows_per_user=rows_per_user,
            items_per_user=caps.items_per_user,
            **self._read,
        )
        if item_keys is None:
            return SharedItems(b"", np.empty(0), 0)
        return SharedItems(item_keys, user_counts, read_users)

    def count_items(self, window_start: str) -> tuple[ItemCounts, int]:
        """Count, in one snapshot, the users of each item in a window and all users with any positive item."""
        counts, active_users = self._database.read_snapshot(
            [("count_positive_users", _item_counts), ("count_active_users", _first_value)],
            window_start=window_start,
            **self._read,
        )
        return counts, int(active_users)

    def count_positive_users(self, window_start: str) -> ItemCounts:
        """Count the users and interactions of each item in the window."""
        return self._database.read(
            "count_positive_users", _item_counts, window_start=window_start, **self._read
        )

    def count_active_users(self, window_start: str) -> int:
        """Count the users with any positive item in the window."""
        return int(
            self._database.read("count_active_users", _first_value, window_start=window_start, **self._read)
        )

    def fetch_example_users(self) -> list[str]:
        """Return the ids of up to 1,000 users with recent interactions, those with the most first."""
        rows = self._database.fetch("fetch_example_user", **self._positive_types)
        return [str(user_id) for (user_id,) in rows]

    def search_users(self, prefix: str, top_k: int, deadline: Deadline) -> list[str]:
        """Return the first users with interactions whose id begins with `prefix` (any text), in order."""
        rows = self._database.fetch("search_users", deadline, prefix=prefix, top_k=top_k)
        return [user_id for (user_id,) in rows]

    def fetch_random_user(self, deadline: Deadline) -> str | None:
        """Return a random user with interactions, None if there is none."""
        rows = self._database.fetch("fetch_random_user", deadline)
        return str(rows[0][0]) if rows else None

    def fetch_recent_interactions(self, user_id: str, top_k: int, deadline: Deadline) -> list[InteractionRow]:
        """Return a user's last interactions of all types, latest first, without undated ones."""
        rows = self._database.fetch("fetch_recent_interactions", deadline, user_id=user_id, top_k=top_k)
        return [InteractionRow(*row) for row in rows]

    def stream_positive_histories(self, window_start: str) -> Iterator[PositiveHistory]:
        """Yield the positive histories of all users, a few hundred users at a time."""
        for row in self._database.stream(
            "stream_positive_histories", window_start=window_start, **self._read
        ):
            yield PositiveHistory(*row)

    def stream_later_positives(self, window_start: str) -> Iterator[LaterPositives]:
        """Yield what each user liked or watched from the clock's moment on, some hundred users at a time.

        Only the replay reads this, to score what was recommended at that moment.
        """
        for row in self._database.stream(
            "stream_later_positives",
            moment=self.clock.moment,
            window_start=window_start,
            excluding_types=self._excluding_types,
            **self._types,
        ):
            yield LaterPositives(*row)

    def stream_interactions(self) -> Iterator[InteractionArrays]:
        """Yield all interactions of each user, a few hundred users at a time."""
        for row in self._database.stream(
            "stream_interactions", excluding_types=self._excluding_types, **self._types
        ):
            yield InteractionArrays(*row)

    @property
    def has_exposures(self) -> bool:
        """Return whether the optional statement that reads exposures exists."""
        return self._database.has_query("stream_exposures")

    def stream_exposures(self, since: str) -> Iterator[Exposure]:
        """Yield interactions since a timestamp with items that were returned with tokens."""
        rows = self._database.stream("stream_exposures", since=since)
        for token, user_id, item_id, kind, happened_at in rows:
            # The statement is an overlay, which may return rows without a token or a user.
            at = -math.inf if happened_at is None else happened_at
            yield Exposure(token or "", user_id or "", item_id, kind, at)

    def estimate_interactions(self) -> int | None:
        """Return roughly how many interactions there are; None if the server's statistics do not tell."""
        return estimate_interactions(self._database)

    def take_training_turn(self) -> bool:
        """Take the lock for reading all training data, until the session ends; return whether it was free."""
        ((is_acquired,),) = self._database.fetch("take_training_turn")
        return bool(is_acquired)

    def stream_users(self) -> Generator[str]:
        """Yield all users with interactions in the order of their ids, a few hundred at a time."""
        for (user_id,) in self._database.stream("stream_users"):
            yield user_id


def _lists(rows: Sequence[Row]) -> InteractionLists:
    """Concatenate rows of lists: sizes, keys, times, kinds, and values if the statement returns them."""
    columns = zip(*rows, strict=True) if rows else [()] * 4
    sizes, keys, times, kinds, *values = (b"".join(filter(None, column)) for column in columns)
    return InteractionLists(
        sizes=np.frombuffer(sizes, dtype=_SIZE).astype(np.int64),
        keys=keys,
        times=np.frombuffer(times, dtype=_TIME),
        kinds=np.frombuffer(kinds, dtype=np.uint8),
        values=np.frombuffer(values[0], dtype=_VALUE) if values else np.zeros(len(kinds)),
    )


def _item_counts(chunks: Chunks) -> ItemCounts:
    ids, users, rows = [], array("q"), array("q")
    for chunk in chunks:
        item_ids, user_counts, row_counts = zip(*chunk, strict=True)
        ids.append(IdTexts.of(item_ids))
        users.extend(map(int, user_counts))
        rows.extend(map(int, row_counts))
    return ItemCounts(IdTexts.joined(ids), np.array(users), np.array(rows))


def _first_value(chunks: Chunks) -> Any:
    ((value,),) = chain.from_iterable(chunks)
    return value
