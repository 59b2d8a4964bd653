"""Find similar users by bounded live SQL: without state or training, on any database."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from config.ranking_settings import NeighbourSearchSettings
from recommender.catalog.index import CatalogIndex
from recommender.catalog.popularity import Popularity
from recommender.data.forgotten import Forgotten
from recommender.databases.engagement_db import EngagementDatabase
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError, StatementTimeoutError
from recommender.models.base import NO_SCORES, ItemSimilarities, Scores, UserContext, Window
from recommender.models.names import LIVE
from recommender.models.user_knn.live_arrays import (
    Candidates,
    ReadUsers,
    find_candidates,
    first_to_read,
    items_to_read,
    left_to_read,
    scores_by_user,
    without_forgotten,
)
from recommender.models.user_knn.scores import ExplainsBySimilarUsers
from recommender.ranking.item_similarity import cosine_similarities

# PostgreSQL's largest int: no cap.
_EVERYTHING = 2_147_483_647
# For repeated interactions, a cap counts each pair of user and item once, and at most this many interactions
# per pair are read; if time is short, `_FEW_REPEATS`.
_MAX_REPEATS, _FEW_REPEATS = 40, 2
# With more interactions per user of an item than this, most of them are repetitions.
_REPEATED = 2
# The caps are lifted if that reads at most this many interactions per pair.
_EXACT_REPEATS = 2
# The share of the remaining time for a search; a fallback that reads less gets the rest.
_SEARCH_SHARE = 0.4
# Seconds without such searches after one has timed out, as the database is busy.
_PAUSE_S = 30.0
# One that began with less than this share of its time left may have timed out because it began late.
_FAIR_SHARE = 0.5

T = TypeVar("T")
_Bounds = tuple[NeighbourSearchSettings, int]


@dataclass(frozen=True, slots=True)
class _Reads:
    """The limits of a request's reads: caps, and how many interactions per counted pair are read.

    `popularity`: the numbers of users and of interactions per user of each item; None to read everything.
    `max_repeats`: the most interactions per pair that are read.
    """

    caps: NeighbourSearchSettings
    popularity: Popularity | None
    typical_repeats: int
    max_repeats: int = _MAX_REPEATS

    @property
    def are_all(self) -> bool:
        """Return whether everything is read."""
        return self.popularity is None

    @property
    def bounds(self) -> _Bounds:
        """The values by which searches differ."""
        return self.caps, self.max_repeats

    def rows_of_items(self, item_ids: Sequence[str], own_rows: Sequence[int]) -> list[int]:
        """Return how many of each item's latest interactions to read, possibly including the user's own."""
        repeats = np.minimum(self._repeats_of(item_ids), self.max_repeats)
        own = np.minimum(np.array(own_rows, dtype=np.int64), self.max_repeats)
        rows: list[int] = np.minimum(self.caps.users_per_item * repeats + own, _EVERYTHING).tolist()
        return rows

    def are_repeated(self, item_ids: Sequence[str]) -> bool:
        """Return whether most of the rows of any of the items may be repetitions.

        Only if they would use up the cap: all interactions of an item with few are read anyway.
        """
        if self.typical_repeats > 1:
            return True
        if self.popularity is None:
            return False
        repeats = self._repeats_of(item_ids)
        interactions = repeats * self.popularity.users_of(item_ids)
        return bool(((repeats > _REPEATED) & (interactions > self.caps.users_per_item)).any())

    def _repeats_of(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        if self.popularity is None or self.popularity.most_repeats == 1:
            return np.ones(len(item_ids), dtype=np.int64)
        return self.popularity.repeats_of(item_ids)

    @property
    def rows_of_user(self) -> int:
        """Return how many of a similar user's latest interactions to read."""
        return min(self.caps.items_per_user * min(self.typical_repeats, self.max_repeats), _EVERYTHING)


class UserKnnSql(ExplainsBySimilarUsers):
    """The default formula by live SQL: read the latest users of some items, and their latest interactions.

    In a window of up to `exact_up_to_pairs` pairs of user and item, with few repetitions, the caps are
    lifted: everything is read, and the answer is exact. If that takes too long, the caps apply for a while.
    If reading repeated interactions takes too long, fewer repetitions are read.
    """

    name = LIVE
    version: str | None = None

    def __init__(
        self,
        engagement_db: EngagementDatabase,
        caps: NeighbourSearchSettings,
        forgotten: Callable[[], Forgotten] = Forgotten,
    ) -> None:
        """Search in a database within caps.

        Args:
            engagement_db: the database.
            caps: the limits of a search.
            forgotten: returns the users to leave out.
        """
        self._engagement_db = engagement_db
        self._forgotten = forgotten
        self._caps = caps
        capped = ("history_items", "users_per_item", "shortlist", "items_per_user")
        self._no_caps = caps.model_copy(update=dict.fromkeys(capped, _EVERYTHING))
        # When a search with these bounds, which took too long, may be tried again.
        self._again_at: dict[_Bounds, float] = {}

    def score(self, users: Sequence[UserContext], items: CatalogIndex, deadline: Deadline) -> Scores:
        """Return scores from the latest items of each history, or exact ones from a small database.

        All users have the same window.

        Raises:
            DatabaseUnavailableError: engagement_db does not answer, or has not been counted yet: without
                popularity idf is 0, and no user would be similar.
        """
        if not users:
            return []
        if not items.popularity.known:
            raise DatabaseUnavailableError(DatabaseName.ENGAGEMENT)
        start = users[0].window.start

        def search(reads: _Reads, until: Deadline) -> Scores:
            return self._find(users, items, start, reads, until)

        return self._in_time(search, self._searches(items, start), deadline)

    def _find(
        self,
        users: Sequence[UserContext],
        items: CatalogIndex,
        window_start: str,
        reads: _Reads,
        deadline: Deadline,
    ) -> Scores:
        asked, asked_items = items_to_read(users, items, reads.caps.history_items, reads.rows_of_items)
        if not asked:
            return [NO_SCORES] * len(users)
        repeated = reads.are_repeated(asked_items.item_ids)
        lists = self._engagement_db.fetch_users_of_items(
            asked_items.item_ids,
            asked_items.row_limits,
            window_start,
            deadline,
            enough_users=reads.caps.users_per_item if repeated else None,
        )
        candidates = find_candidates(asked, without_forgotten(lists, self._forgotten()), reads.caps)
        if not candidates.user_keys:
            return [NO_SCORES] * len(users)
        top_k = reads.caps.similar_users
        everyone = np.arange(len(candidates.user_keys))
        read_idx = first_to_read(candidates, top_k) if reads.are_all else everyone
        read = self._read_users(candidates, read_idx, window_start, reads, deadline)
        left_idx = left_to_read(candidates, read, items, top_k)
        if left_idx.size:
            read = read.followed_by(self._read_users(candidates, left_idx, window_start, reads, deadline))
        found = scores_by_user(asked, candidates, read, items, reads.caps)
        return [found.get(user_idx, NO_SCORES) for user_idx in range(len(users))]

    def _read_users(
        self,
        candidates: Candidates,
        user_idx: NDArray[np.intp],
        window_start: str,
        reads: _Reads,
        deadline: Deadline,
    ) -> ReadUsers:
        lists = self._engagement_db.fetch_items_of_users(
            [candidates.user_keys[idx] for idx in user_idx.tolist()],
            window_start,
            reads.rows_of_user,
            deadline,
            repeated=reads.typical_repeats > 1,
        )
        return ReadUsers(user_idx, lists)

    def similar_items(
        self, item_id: str, items: CatalogIndex, window: Window, deadline: Deadline
    ) -> ItemSimilarities:
        """Return the cosine over the item's latest users, or over all of its users in a small database."""

        def search(reads: _Reads, until: Deadline) -> ItemSimilarities:
            return self._find_similar(item_id, items, window.start, reads, until)

        return self._in_time(search, self._searches(items, window.start), deadline)

    def _find_similar(
        self, item_id: str, items: CatalogIndex, window_start: str, reads: _Reads, deadline: Deadline
    ) -> ItemSimilarities:
        item_keys, counts, read_users = self._engagement_db.fetch_shared_users(
            item_id,
            reads.rows_of_items([item_id], [0])[0],
            window_start,
            caps=reads.caps,
            rows_per_user=reads.rows_of_user,
            deadline=deadline,
        )
        item_idx = items.item_keys.locate(item_keys)
        known = item_idx >= 0
        item_idx, shared = item_idx[known], counts[known].astype(np.int64)
        # The index was counted earlier, and the item may have its first users since.
        user_counts = np.maximum(items.user_counts[item_idx], shared)
        all_users = max(int(items.popularity.users_of([item_id])[0]), read_users)
        return ItemSimilarities(
            item_idx, cosine_similarities(shared, user_counts, all_users, read_users), shared
        )

    def _in_time(
        self, search: Callable[[_Reads, Deadline], T], searches: Sequence[_Reads], deadline: Deadline
    ) -> T:
        """Return the result of the first search that ends in time, without those that timed out recently."""
        is_late = deadline.remaining_s < _FAIR_SHARE * (deadline.ends_at - deadline.started_at)
        *others, last = searches
        for reads in others:
            again_at = self._again_at.get(reads.bounds)
            if again_at is not None:
                if time.monotonic() < again_at:
                    continue
                # One request tries; the others skip it until the result is known.
                self._again_at[reads.bounds] = time.monotonic() + _PAUSE_S
            try:
                found = search(reads, deadline.part_of_rest(_SEARCH_SHARE))
            except StatementTimeoutError:
                if not is_late:
                    self._again_at[reads.bounds] = time.monotonic() + _PAUSE_S
                elif again_at is not None:
                    # Let the next request try.
                    self._again_at[reads.bounds] = again_at
            else:
                self._again_at.pop(reads.bounds, None)
                return found
        return search(last, deadline)

    def _searches(self, items: CatalogIndex, window_start: str) -> list[_Reads]:
        """Return the limits to try, the largest first."""
        popularity = items.popularity
        bounded = _Reads(self._caps, popularity, popularity.typical_repeats)
        searches = [_Reads(self._no_caps, None, 1)] if self._can_be_exact(items, window_start) else []
        searches.append(bounded)
        if popularity.most_repeats > _FEW_REPEATS:
            searches.append(replace(bounded, max_repeats=_FEW_REPEATS))
        return searches

    def _can_be_exact(self, items: CatalogIndex, window_start: str) -> bool:
        """Return whether the window is known to be small. The size of a longer window is unknown."""
        popularity = items.popularity
        # Timestamps sort as text, and -infinity comes first.
        return (
            popularity.pairs <= self._caps.exact_up_to_pairs
            and popularity.rows <= self._caps.exact_up_to_pairs * _EXACT_REPEATS
            and window_start >= popularity.window_start
        )
