"""engagement_db: who did what with which medium."""

import math
from array import array
from collections.abc import Generator, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.ranking_settings import NeighbourSearchSettings
from recommender.clock import PRESENT, Clock
from recommender.databases.chunks import Chunks
from recommender.databases.database import Database
from recommender.deadline import Deadline
from recommender.entities import DEFAULT_TYPES, History, InteractionTypes
from recommender.id_table import IdTexts

# How many of a user's latest interactions a history is read from.
HISTORY_ROWS = 20_000

_SIZE, _TIME, _VALUE = np.dtype(">i4"), np.dtype(">i8"), np.dtype(">f8")


class InteractionLists(NamedTuple):
    """The latest interactions of users, or with media: one list after the other, the latest first in each.

    `sizes`: shape (lists,), how many there are in each list. Parallel, one entry an interaction: `keys` of
    the media, or of the users (one after the other), `times` (microseconds), `kinds` (1 like, 2 watch, 3
    dislike) and `values`.
    """

    sizes: NDArray[np.int64]
    keys: bytes
    times: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    values: NDArray[np.float64]


class SharedItems(NamedTuple):
    """What the users of a medium liked or watched besides.

    `media_keys`, `user_counts`: parallel, the keys of the media, one after the other, and how many of the
    users have each. `read_users`: how many users these are.
    """

    media_keys: bytes
    user_counts: NDArray[np.float64]
    read_users: int


class ItemCounts(NamedTuple):
    """How popular media are in a window.

    `ids`: of the media. Parallel, `users`: how many users have each in their favour, and `rows`: how many
    interactions there are with it, of whatever type and user.
    """

    ids: IdTexts
    users: NDArray[np.int64]
    rows: NDArray[np.int64]


class PositiveHistory(NamedTuple):
    """What a user has a positive interaction with; parallel, each item once, in no order.

    `total_values`: the sums of the values of the user's likes and watches. `liked`: whether there is a like
    among them. `times`: of the last of them, in seconds since 1970 UTC.
    """

    user_id: str
    item_ids: list[str]
    total_values: NDArray[np.float64]
    liked: list[bool]
    times: NDArray[np.float64]


class LaterPositives(NamedTuple):
    """What a user liked or watched from a moment on, and could have been given at that moment.

    `item_ids`: the earliest first. `had_positives`: whether the user had anything in their favour before.
    """

    user_id: str
    item_ids: list[str]
    had_positives: bool


class InteractionArrays(NamedTuple):
    """What a user did; parallel, in no order.

    `kinds`: 1 like, 2 watch, 3 dislike, 0 what means nothing. `times`: in seconds since 1970 UTC, NaN where
    there is none. `excluding`: whether it keeps the item from being recommended again.
    """

    user_id: str
    item_ids: list[str]
    kinds: list[int]
    values: NDArray[np.float64]
    times: NDArray[np.float64]
    excluding: list[bool]


class Exposure(NamedTuple):
    """What a user did with an item that came with a token; `happened_at`: seconds since 1970 UTC."""

    token: str
    user_id: str
    item_id: str
    type: str | None
    happened_at: float


class InteractionRow(NamedTuple):
    """Something a user did; `happened_at` is ISO 8601 in UTC, None where it is infinity."""

    media_id: str
    type: str | None
    value: float | None
    happened_at: str | None


class EngagementDatabase:
    """Reads of engagement_db. `window_start` is a timestamp's text, or `-infinity`.

    With a `clock` that stands at a past moment, recommendations, counts and training know of nothing later.
    """

    def __init__(
        self, database: Database, types: InteractionTypes = DEFAULT_TYPES, clock: Clock = PRESENT
    ) -> None:
        self._database = database
        self.clock = clock
        self._excluding_types = list(types.excluding)
        self._positive_types: dict[str, Any] = {
            "like_types": list(types.likes),
            "watch_types": list(types.watches),
        }
        self._types = {**self._positive_types, "dislike_types": list(types.dislikes)}
        # What each statement takes that reads interactions in a window.
        self._read = {**self._types, "known_until": clock.known_until}

    def fetch_histories(
        self, user_ids: Sequence[str], window_start: str, deadline: Deadline
    ) -> dict[str, History]:
        """Histories by user, from their latest `HISTORY_ROWS`; users without interactions are absent."""
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

    def fetch_users_of_media(
        self,
        media_ids: Sequence[str],
        row_limits: Sequence[int],
        window_start: str,
        deadline: Deadline,
        *,
        enough_users: int | None = None,
    ) -> InteractionLists:
        """Who interacted last with each of some media; `keys` are those of users, `values` all 0.

        `media_ids` and `row_limits` are parallel: how many of the latest interactions are read. With
        `enough_users`, most of these may be repetitions: each user is there once for each kind, and so many
        users of a medium are enough.
        """
        query_name, parameters = "fetch_users_of_media", {}
        if enough_users is not None:
            query_name, parameters = "fetch_users_of_media_repeated", {"users_per_item": enough_users}
        (row,) = self._database.fetch(
            query_name,
            deadline,
            media_ids=list(media_ids),
            row_limits=list(row_limits),
            window_start=window_start,
            **parameters,
            **self._read,
        )
        return _lists(*row)

    def fetch_media_of_users(
        self,
        user_keys: Sequence[bytes],
        window_start: str,
        rows_per_user: int,
        deadline: Deadline,
        *,
        repeated: bool,
    ) -> InteractionLists:
        """What each of some users did last; `keys` are those of media.

        `repeated`: most of this may be repetitions: each medium is there once for each kind, with the sum of
        the values.
        """
        (row,) = self._database.fetch(
            "fetch_media_of_users_repeated" if repeated else "fetch_media_of_users",
            deadline,
            user_keys=[key.hex() for key in user_keys],
            window_start=window_start,
            rows_per_user=rows_per_user,
            **self._read,
        )
        return _lists(*row)

    def fetch_shared_users(
        self,
        media_id: str,
        row_limit: int,
        window_start: str,
        *,
        caps: NeighbourSearchSettings,
        rows_per_user: int,
        deadline: Deadline,
    ) -> SharedItems:
        """What the latest users of a medium have in their favour, that medium included."""
        ((media_keys, user_counts, read_users),) = self._database.fetch(
            "fetch_shared_users",
            deadline,
            media_id=media_id,
            row_limit=row_limit,
            window_start=window_start,
            users_per_item=caps.users_per_item,
            rows_per_user=rows_per_user,
            items_per_user=caps.items_per_user,
            **self._read,
        )
        if media_keys is None:
            return SharedItems(b"", np.empty(0), 0)
        return SharedItems(media_keys, user_counts, read_users)

    def count_media(self, window_start: str) -> tuple[ItemCounts, int]:
        """How popular each medium is in a window, and how many users have any, counted at one moment."""
        counts, active_users = self._database.read_snapshot(
            [("count_positive_users", _media_counts), ("count_active_users", _first_value)],
            window_start=window_start,
            **self._read,
        )
        return counts, int(active_users)

    def count_positive_users(self, window_start: str) -> ItemCounts:
        """How popular each medium is in the window."""
        return self._database.read(
            "count_positive_users", _media_counts, window_start=window_start, **self._read
        )

    def count_active_users(self, window_start: str) -> int:
        """How many users have any medium in their favour in the window."""
        rows = self._database.fetch("count_active_users", window_start=window_start, **self._read)
        return int(rows[0][0])

    def fetch_example_user(self) -> str | None:
        """The id of a user with interactions, if there is one."""
        rows = self._database.fetch("fetch_example_user", **self._positive_types)
        return str(rows[0][0]) if rows else None

    def search_users(self, prefix: str, top_k: int, deadline: Deadline) -> list[str]:
        """The first users with interactions whose id begins with `prefix`, any text, in order."""
        rows = self._database.fetch("search_users", deadline, prefix=prefix, top_k=top_k)
        return [user_id for (user_id,) in rows]

    def fetch_random_user(self, deadline: Deadline) -> str | None:
        """Somebody with interactions, another each time, if there is anybody."""
        rows = self._database.fetch("fetch_random_user", deadline)
        return str(rows[0][0]) if rows else None

    def fetch_recent_interactions(self, user_id: str, top_k: int, deadline: Deadline) -> list[InteractionRow]:
        """What a user did last, of every kind, latest first; what has no timestamp is left out."""
        rows = self._database.fetch("fetch_recent_interactions", deadline, user_id=user_id, top_k=top_k)
        return [InteractionRow(*row) for row in rows]

    def stream_positive_histories(self, window_start: str) -> Iterator[PositiveHistory]:
        """Everybody's positive history, a few hundred users at a time."""
        for row in self._database.stream(
            "stream_positive_histories", window_start=window_start, **self._read
        ):
            yield PositiveHistory(*row)

    def stream_later_positives(self, window_start: str) -> Iterator[LaterPositives]:
        """Yield what each user went on to like or watch from the clock's moment on, some hundred at a time.

        Read by the replay alone, to score what was recommended at that moment.
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
        """Whether there is a statement that reads exposures: it is optional."""
        return self._database.has_query("stream_exposures")

    def stream_exposures(self, since: str) -> Iterator[Exposure]:
        """Yield what users did since a timestamp with items that came with tokens."""
        rows = self._database.stream("stream_exposures", since=since)
        for token, user_id, media_id, kind, happened_at in rows:
            # The statement is the app's, which may let rows through that have none.
            at = -math.inf if happened_at is None else happened_at
            yield Exposure(token or "", user_id, media_id, kind, at)

    def estimate_interactions(self) -> int | None:
        """Return roughly how many interactions there are; None where the server's statistics do not say."""
        ((rows,),) = self._database.fetch("estimate_interactions")
        return None if rows is None else int(rows)

    def take_training_turn(self) -> bool:
        """Take the turn to read everything for a training; whether this session has it, until it ends."""
        ((is_taken,),) = self._database.fetch("take_training_turn")
        return bool(is_taken)

    def stream_users(self) -> Generator[str]:
        """Everybody with interactions, in the order of the ids, a few hundred at a time."""
        for (user_id,) in self._database.stream("stream_users"):
            yield user_id


def _lists(
    sizes: bytes | None,
    keys: bytes | None,
    times: bytes | None,
    kinds: bytes | None,
    values: bytes | None = None,
) -> InteractionLists:
    return InteractionLists(
        sizes=np.frombuffer(sizes or b"", dtype=_SIZE).astype(np.int64),
        keys=keys or b"",
        times=np.frombuffer(times or b"", dtype=_TIME),
        kinds=np.frombuffer(kinds or b"", dtype=np.uint8),
        values=np.zeros(len(kinds or b"")) if values is None else np.frombuffer(values, dtype=_VALUE),
    )


def _media_counts(chunks: Chunks) -> ItemCounts:
    ids, users, rows = [], array("q"), array("q")
    for chunk in chunks:
        media_ids, user_counts, row_counts = zip(*chunk, strict=True)
        ids.append(IdTexts.of(media_ids))
        users.extend(map(int, user_counts))
        rows.extend(map(int, row_counts))
    return ItemCounts(IdTexts.joined(ids), np.array(users), np.array(rows))


def _first_value(chunks: Chunks) -> Any:
    ((value,),) = chain.from_iterable(chunks)
    return value
