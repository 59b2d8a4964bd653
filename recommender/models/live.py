"""Similar users by bounded live SQL: no state, no training, on any database."""

import math
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

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
# interactions are read.
_MAX_REPEATS = 40
# With more interactions for each user of a medium than this, most of them are repetitions.
_REPEATED = 2
# The caps are lifted where that has no more than so many interactions read for each pair.
_EXACT_REPEATS = 2
# What an exact search may take of the time that is left; the caps then have the rest.
_EXACT_SHARE = 0.6
# After that was not enough, the caps answer from the beginning for this long: there is too much else to do.
_EXACT_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class _Reads:
    """What is read for a request: caps, and how many interactions are read for each pair that counts.

    `users`, `repeats`: by medium, how many users it has, and how many interactions with each of them.
    """

    caps: NeighbourCaps
    users: Mapping[str, int]
    repeats: Mapping[str, int]
    typical_repeats: int

    def rows_of_medium(self, media_id: str, own_rows: int) -> int:
        """How many of a medium's latest interactions are read, some of which may be the user's own."""
        repeats = min(self.repeats.get(media_id, 1), _MAX_REPEATS)
        return min(self.caps.users_per_item * repeats + min(own_rows, _MAX_REPEATS), _EVERYTHING)

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
        return min(self.caps.items_per_user * min(self.typical_repeats, _MAX_REPEATS), _EVERYTHING)


class LiveModel:
    """Asks engagement_db for the latest users of some media, and for what those did last: two statements.

    In a window of up to `exact_up_to_pairs` pairs of user and medium, and not many more interactions, the
    caps are lifted: everything can be read, and the answer is exact. Where that takes too long, they hold for
    a while.
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
        self._exact_again_at = -math.inf

    def find_candidates(
        self, histories: Mapping[str, History], index: CatalogueIndex, window_start: str, deadline: Deadline
    ) -> Mapping[str, Candidates]:
        """Candidates by user, from the latest media of each history, or from all of a small database."""
        if self._can_be_exact(index, window_start):
            try:
                reads = _Reads(self._no_caps, {}, {}, 1)
                return self._find(histories, index, window_start, reads, deadline.part_of_rest(_EXACT_SHARE))
            except StatementTimeoutError:
                self._exact_again_at = time.monotonic() + _EXACT_PAUSE_S
        return self._find(histories, index, window_start, self._bounded(index), deadline)

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
        if self._can_be_exact(index, window_start):
            try:
                reads = _Reads(self._no_caps, {}, {}, 1)
                return self._find_shared(
                    media_id, index, window_start, reads, deadline.part_of_rest(_EXACT_SHARE)
                )
            except StatementTimeoutError:
                self._exact_again_at = time.monotonic() + _EXACT_PAUSE_S
        return self._find_shared(media_id, index, window_start, self._bounded(index), deadline)

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

    def _can_be_exact(self, index: CatalogueIndex, window_start: str) -> bool:
        """Whether the window is known to hold little, and reading all of it did not take too long lately.

        How much a longer window holds is not known.
        """
        popularity = index.popularity
        # Timestamps as text are in order, and -infinity comes before them all.
        return (
            popularity.pairs <= self._exact_up_to_pairs
            and popularity.rows <= self._exact_up_to_pairs * _EXACT_REPEATS
            and window_start >= popularity.window_start
            and time.monotonic() >= self._exact_again_at
        )

    def _bounded(self, index: CatalogueIndex) -> _Reads:
        popularity = index.popularity
        return _Reads(self._caps, popularity.positive_users, popularity.repeats, popularity.typical_repeats)
