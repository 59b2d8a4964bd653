"""engagement_db: who did what with which medium."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.databases.database import Database
from recommender.deadline import Deadline
from recommender.domain import NEWCOMER, History


@dataclass(frozen=True, slots=True)
class NeighbourCaps:
    """How much the live neighbour search reads, for each user asked about."""

    history_items: int
    users_per_item: int
    shortlist: int
    similar_users: int
    items_per_user: int


class SimilarUser(NamedTuple):
    """Somebody similar to the users `similar_to`.

    `media_keys`, `total_values`: in step, what they liked or watched, each medium once, and the sums of their
    values. The keys stand one after the other.
    """

    similar_to: list[str]
    media_keys: bytes
    total_values: NDArray[np.float64]


class MediaOfUsers(NamedTuple):
    """What the users of a medium liked or watched besides.

    `media_keys`, `user_counts`: in step, the keys of the media, one after the other, and how many of the
    users have each. `read_users`: how many users these are.
    """

    media_keys: bytes
    user_counts: NDArray[np.float64]
    read_users: int


class PositiveHistory(NamedTuple):
    """What a user liked or watched, each medium once, and the sums of the user's values; in step."""

    user_id: str
    media_ids: list[str]
    total_values: NDArray[np.float64]


class InteractionRow(NamedTuple):
    """Something a user did; `happened_at` is ISO 8601 in UTC, None where it is infinity."""

    media_id: str
    type: str | None
    value: float | None
    happened_at: str | None


class EngagementDatabase:
    """Reads of engagement_db. `window_start` is a timestamp's text, or `-infinity`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fetch_histories(
        self, user_ids: Sequence[str], window_start: str, deadline: Deadline
    ) -> dict[str, History]:
        """Histories by user; users without any interaction are absent."""
        rows = self._database.fetch(
            "fetch_histories", deadline, user_ids=list(user_ids), window_start=window_start
        )
        return {
            user_id: History(seen_ids=seen_ids, positive_ids=positive_ids or ())
            for user_id, seen_ids, positive_ids in rows
        }

    def fetch_candidates(
        self,
        user_ids: Sequence[str],
        media_ids: Sequence[str],
        idf_weights: Sequence[int],
        window_start: str,
        *,
        caps: NeighbourCaps,
        deadline: Deadline,
    ) -> list[SimilarUser]:
        """Everybody who is similar to any of the users; each of them once.

        `user_ids`, `media_ids` and `idf_weights` are in step: one entry for each medium of each
        user's positive history that is to count.
        """
        rows = self._database.fetch(
            "fetch_candidates",
            deadline,
            # A newcomer's id is nobody's: NULL, whatever type the ids have.
            user_ids=[user_id or None for user_id in user_ids],
            media_ids=list(media_ids),
            idf_weights=list(idf_weights),
            window_start=window_start,
            users_per_item=caps.users_per_item,
            shortlist=caps.shortlist,
            similar_users=caps.similar_users,
            items_per_user=caps.items_per_user,
        )
        return [
            SimilarUser([user_id or NEWCOMER for user_id in similar_to], media_keys, total_values)
            for similar_to, media_keys, total_values in rows
        ]

    def fetch_shared_users(
        self, media_id: str, window_start: str, *, caps: NeighbourCaps, deadline: Deadline
    ) -> MediaOfUsers:
        """What the latest users of a medium liked or watched, that medium included."""
        ((media_keys, user_counts, read_users),) = self._database.fetch(
            "fetch_shared_users",
            deadline,
            media_id=media_id,
            window_start=window_start,
            users_per_item=caps.users_per_item,
            items_per_user=caps.items_per_user,
        )
        if media_keys is None:
            return MediaOfUsers(b"", np.empty(0), 0)
        return MediaOfUsers(media_keys, user_counts, read_users)

    def count_positive_users(self, window_start: str) -> dict[str, int]:
        """How many users liked or watched each medium in the window."""
        return dict(self._database.fetch("count_positive_users", window_start=window_start))

    def count_active_users(self, window_start: str) -> int:
        """How many users liked or watched anything in the window."""
        return int(self._database.fetch("count_active_users", window_start=window_start)[0][0])

    def fetch_example_user(self) -> str | None:
        """The id of somebody with interactions, if there is anybody."""
        rows = self._database.fetch("fetch_example_user")
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
        for row in self._database.stream("stream_positive_histories", window_start=window_start):
            yield PositiveHistory(*row)

    def stream_users(self) -> Generator[str]:
        """Everybody with interactions, in the order of the ids, a few hundred at a time."""
        for (user_id,) in self._database.stream("stream_users"):
            yield user_id
