"""Similar users by bounded live SQL: no state, no training, on any database."""

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import numpy as np

from recommender.catalogue.index import CatalogueIndex
from recommender.databases.engagement_db import EngagementDatabase, NeighbourCaps
from recommender.deadline import Deadline
from recommender.domain import History
from recommender.errors import StatementTimeoutError
from recommender.models.base import LIVE, Candidates, SharedUsers
from recommender.models.live_arrays import ask_about, candidates_by_user, find_neighbours

# PostgreSQL's largest int: no cap at all.
_EVERYTHING = 2_147_483_647
# Where interactions are repeated, a cap counts each pair of user and medium once, and up to so many of its
# interactions are read; or only so few, where there is no time for more.
_MAX_REPEATS, _FEW_REPEATS = 40, 2
# With more interactions for each user of a medium than this, most of them are repetitions.
_REPEATED = 2
# The caps are lifted where that has no more than so many interactions read for each pair.
_EXACT_REPEATS = 2
# What a search may take of the time that is left; one that reads less then has the rest.
_SEARCH_SHARE = 0.4
# After that was not enough, such searches are left out for this long: there is too much else to do.
_PAUSE_S = 30.0

T = TypeVar("T")
_Bounds = tuple[NeighbourCaps, int]


@dataclass(frozen=True, slots=True)
class _Reads:
    """What is read for a request: caps, and how many interactions are read for each pair that counts.

    `users`, `repeats`: by medium, how many users it has, and how many interactions with each of them.
    `max_repeats`: how many of these are read at most.
    """

    caps: NeighbourCaps
    users: Mapping[str, int]
    repeats: Mapping[str, int]
    typical_repeats: int
    max_repeats: int = _MAX_REPEATS

    @property
    def bounds(self) -> _Bounds:
        """What sets one search apart from another."""
        return self.caps, self.max_repeats

    def rows_of_medium(self, media_id: str, own_rows: int) -> int:
        """How many of a medium's latest interactions are read, some of which may be the user's own."""
        repeats = min(self.repeats.get(media_id, 1), self.max_repeats)
        return min(self.caps.users_per_item * repeats + min(own_rows, self.max_repeats), _EVERYTHING)

    def are_repeated(self, media_ids: AbstractSet[str]) -> bool:
        """Whether most of what is read of any of the media may be repetitions."""
        return self.typical_repeats > 1 or any(map(self._is_repeated, self.repeats.keys() & media_ids))

    def _is_repeated(self, media_id: str) -> bool:
        """Whether the cap would be spent on repetitions; of a medium with few interactions, all are read."""
        repeats = self.repeats[media_id]
        return repeats > _REPEATED and repeats * self.users.get(media_id, 0) > self.caps.users_per_item

    @property
    def rows_of_user(self) -> int:
        """How many of a similar user's latest interactions are read."""
        return min(self.caps.items_per_user * min(self.typical_repeats, self.max_repeats), _EVERYTHING)


class LiveModel:
    """Asks engagement_db for the latest users of some media, and for what those did last: two statements.

    In a window of up to `exact_up_to_pairs` pairs of user and medium, and not many more interactions, the
    caps are lifted: everything can be read, and the answer is exact. Where that takes too long, they hold for
    a while; and where interactions are repeated and to read all repetitions takes too long, few of them are.
    """

    name = LIVE
    version: str | None = None
    built_at: datetime | None = None

    def __init__(
        self, engagement_db: EngagementDatabase, caps: NeighbourCaps, exact_up_to_pairs: int
    ) -> None:
        self._engagement_db = engagement_db
        self._caps = caps
        self._no_caps = replace(
            caps,
            history_items=_EVERYTHING,
            users_per_item=_EVERYTHING,
            shortlist=_EVERYTHING,
            items_per_user=_EVERYTHING,
        )
        self._exact_up_to_pairs = exact_up_to_pairs
        # When a search within such bounds, which took too long, may be tried again.
        self._again_at: dict[_Bounds, float] = {}

    def find_candidates(
        self, histories: Mapping[str, History], index: CatalogueIndex, window_start: str, deadline: Deadline
    ) -> Mapping[str, Candidates]:
        """Candidates by user, from the latest media of each history, or from all of a small database."""

        def search(reads: _Reads, until: Deadline) -> Mapping[str, Candidates]:
            return self._find(histories, index, window_start, reads, until)

        return self._in_time(search, self._searches(index, window_start), deadline)

    def _find(
        self,
        histories: Mapping[str, History],
        index: CatalogueIndex,
        window_start: str,
        reads: _Reads,
        deadline: Deadline,
    ) -> Mapping[str, Candidates]:
        asked, media = ask_about(histories, index, reads.caps.history_items, reads.rows_of_medium)
        if not asked:
            return {}
        repeated = reads.are_repeated(set(media.media_ids))
        users = self._engagement_db.fetch_users_of_media(
            media.media_ids,
            media.row_limits,
            window_start,
            deadline,
            enough_users=reads.caps.users_per_item if repeated else None,
        )
        neighbours = find_neighbours(asked, users, reads.caps)
        if not neighbours.user_keys:
            return {}
        others = self._engagement_db.fetch_media_of_users(
            neighbours.user_keys,
            window_start,
            reads.rows_of_user,
            deadline,
            repeated=reads.typical_repeats > 1,
        )
        return candidates_by_user(asked, neighbours, others, index, reads.caps)

    def find_shared_users(
        self, media_id: str, index: CatalogueIndex, window_start: str, deadline: Deadline
    ) -> SharedUsers:
        """What the medium's latest users have, or all of its users in a small database."""

        def search(reads: _Reads, until: Deadline) -> SharedUsers:
            return self._find_shared(media_id, index, window_start, reads, until)

        return self._in_time(search, self._searches(index, window_start), deadline)

    def _find_shared(
        self, media_id: str, index: CatalogueIndex, window_start: str, reads: _Reads, deadline: Deadline
    ) -> SharedUsers:
        media_keys, counts, read_users = self._engagement_db.fetch_shared_users(
            media_id,
            reads.rows_of_medium(media_id, 0),
            window_start,
            caps=reads.caps,
            rows_per_user=reads.rows_of_user,
            deadline=deadline,
        )
        media_idx = index.media_keys.locate(media_keys)
        known = media_idx >= 0
        media_idx, shared = media_idx[known], counts[known].astype(np.int64)
        # The index counted earlier: there may be users since then.
        return SharedUsers(
            media_idx=media_idx,
            shared_user_counts=shared,
            user_counts=np.maximum(index.user_counts[media_idx], shared),
            all_users=max(index.popularity.positive_users.get(media_id, 0), read_users),
            read_users=read_users,
        )

    def _in_time(
        self, search: Callable[[_Reads, Deadline], T], searches: Sequence[_Reads], deadline: Deadline
    ) -> T:
        """What the first search finds that is done in time; those that took too long lately are left out."""
        *others, last = searches
        for reads in others:
            again_at = self._again_at.get(reads.bounds)
            if again_at is not None:
                if time.monotonic() < again_at:
                    continue
                # One request tries, and the others wait for what comes of it.
                self._again_at[reads.bounds] = time.monotonic() + _PAUSE_S
            try:
                found = search(reads, deadline.part_of_rest(_SEARCH_SHARE))
            except StatementTimeoutError:
                self._again_at[reads.bounds] = time.monotonic() + _PAUSE_S
            else:
                self._again_at.pop(reads.bounds, None)
                return found
        return search(last, deadline)

    def _searches(self, index: CatalogueIndex, window_start: str) -> list[_Reads]:
        """What may be read, the most first."""
        popularity = index.popularity
        bounded = _Reads(
            self._caps, popularity.positive_users, popularity.repeats, popularity.typical_repeats
        )
        searches = [_Reads(self._no_caps, {}, {}, 1)] if self._can_be_exact(index, window_start) else []
        searches.append(bounded)
        if popularity.most_repeats > _FEW_REPEATS:
            searches.append(replace(bounded, max_repeats=_FEW_REPEATS))
        return searches

    def _can_be_exact(self, index: CatalogueIndex, window_start: str) -> bool:
        """Whether the window is known to hold little. How much a longer window holds is not known."""
        popularity = index.popularity
        # Timestamps as text are in order, and -infinity comes before them all.
        return (
            popularity.pairs <= self._exact_up_to_pairs
            and popularity.rows <= self._exact_up_to_pairs * _EXACT_REPEATS
            and window_start >= popularity.window_start
        )
