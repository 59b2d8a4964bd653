"""Similar users by bounded live SQL: no state, no training, on any database."""

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
from recommender.errors import StatementTimeoutError
from recommender.models.base import LIVE, NO_SCORES, ItemSimilarities, Scores, UserContext, Window
from recommender.models.user_knn.live_arrays import (
    ask_about,
    find_neighbours,
    scores_by_user,
    without_forgotten,
)
from recommender.models.user_knn.scores import ExplainsBySimilarUsers
from recommender.ranking.item_similarity import cosine_similarities

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
_Bounds = tuple[NeighbourSearchSettings, int]


@dataclass(frozen=True, slots=True)
class _Reads:
    """What is read for a request: caps, and how many interactions are read for each pair that counts.

    `popularity`: says how many users each medium has, and how many interactions with each of them; None where
    everything is read. `max_repeats`: how many of these are read at most.
    """

    caps: NeighbourSearchSettings
    popularity: Popularity | None
    typical_repeats: int
    max_repeats: int = _MAX_REPEATS

    @property
    def bounds(self) -> _Bounds:
        """What sets one search apart from another."""
        return self.caps, self.max_repeats

    def rows_of_items(self, item_ids: Sequence[str], own_rows: Sequence[int]) -> list[int]:
        """How many of each medium's latest interactions are read, some of which may be the user's own."""
        repeats = np.minimum(self._repeats_of(item_ids), self.max_repeats)
        own = np.minimum(np.array(own_rows, dtype=np.int64), self.max_repeats)
        rows: list[int] = np.minimum(self.caps.users_per_item * repeats + own, _EVERYTHING).tolist()
        return rows

    def are_repeated(self, item_ids: Sequence[str]) -> bool:
        """Whether most of what is read of any of the media may be repetitions.

        That is where the cap would be spent on them; of a medium with few interactions, all are read.
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
        """How many of a similar user's latest interactions are read."""
        return min(self.caps.items_per_user * min(self.typical_repeats, self.max_repeats), _EVERYTHING)


class UserKnnSql(ExplainsBySimilarUsers):
    """The default formula by live SQL: the latest users of some items, and what those did last.

    In a window of up to `exact_up_to_pairs` pairs of user and item, and not many more interactions, the
    caps are lifted: everything can be read, and the answer is exact. Where that takes too long, they hold for
    a while; and where interactions are repeated and to read all repetitions takes too long, few of them are.
    """

    name = LIVE
    version: str | None = None

    def __init__(
        self,
        engagement_db: EngagementDatabase,
        caps: NeighbourSearchSettings,
        forgotten: Callable[[], Forgotten | None] = lambda: None,
    ) -> None:
        """Ask a database, within caps.

        Args:
            engagement_db: the database.
            caps: how much is read.
            forgotten: gives the users who are left out of the search; None where the list cannot be read.
        """
        self._engagement_db = engagement_db
        self._forgotten = forgotten
        self._caps = caps
        capped = ("history_items", "users_per_item", "shortlist", "items_per_user")
        self._no_caps = caps.model_copy(update=dict.fromkeys(capped, _EVERYTHING))
        # When a search within such bounds, which took too long, may be tried again.
        self._again_at: dict[_Bounds, float] = {}

    def score(self, users: Sequence[UserContext], items: CatalogIndex, deadline: Deadline) -> Scores:
        """Return scores by the latest items of each history, or by all of a small database.

        All users have one window.
        """
        if not users:
            return []
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
        asked, media = ask_about(users, items, reads.caps.history_items, reads.rows_of_items)
        if not asked:
            return [NO_SCORES] * len(users)
        repeated = reads.are_repeated(media.item_ids)
        lists = self._engagement_db.fetch_users_of_media(
            media.item_ids,
            media.row_limits,
            window_start,
            deadline,
            enough_users=reads.caps.users_per_item if repeated else None,
        )
        neighbours = find_neighbours(asked, without_forgotten(lists, self._forgotten()), reads.caps)
        if not neighbours.user_keys:
            return [NO_SCORES] * len(users)
        others = self._engagement_db.fetch_media_of_users(
            neighbours.user_keys,
            window_start,
            reads.rows_of_user,
            deadline,
            repeated=reads.typical_repeats > 1,
        )
        found = scores_by_user(asked, neighbours, others, items, reads.caps)
        return [found.get(position, NO_SCORES) for position in range(len(users))]

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
        item_idx = items.media_keys.locate(item_keys)
        known = item_idx >= 0
        item_idx, shared = item_idx[known], counts[known].astype(np.int64)
        # The index counted earlier: there may be users since then.
        user_counts = np.maximum(items.user_counts[item_idx], shared)
        all_users = max(int(items.popularity.users_of([item_id])[0]), read_users)
        return ItemSimilarities(
            item_idx, cosine_similarities(shared, user_counts, all_users, read_users), shared
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

    def _searches(self, items: CatalogIndex, window_start: str) -> list[_Reads]:
        """What may be read, the most first."""
        popularity = items.popularity
        bounded = _Reads(self._caps, popularity, popularity.typical_repeats)
        searches = [_Reads(self._no_caps, None, 1)] if self._can_be_exact(items, window_start) else []
        searches.append(bounded)
        if popularity.most_repeats > _FEW_REPEATS:
            searches.append(replace(bounded, max_repeats=_FEW_REPEATS))
        return searches

    def _can_be_exact(self, items: CatalogIndex, window_start: str) -> bool:
        """Whether the window is known to hold little. How much a longer window holds is not known."""
        popularity = items.popularity
        # Timestamps as text are in order, and -infinity comes before them all.
        return (
            popularity.pairs <= self._caps.exact_up_to_pairs
            and popularity.rows <= self._caps.exact_up_to_pairs * _EXACT_REPEATS
            and window_start >= popularity.window_start
        )
