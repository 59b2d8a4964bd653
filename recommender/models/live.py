"""Similar users by bounded live SQL: no state, no training, on any database."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.databases.engagement_db import EngagementDatabase, NeighbourCaps, SimilarUser
from recommender.deadline import Deadline
from recommender.domain import History
from recommender.models.base import LIVE, Candidates, SharedUsers
from recommender.scoring.collaborative import add_up_media
from recommender.scoring.explanation import SimilarHistories

# PostgreSQL's largest int: no cap at all.
_EVERYTHING = 2_147_483_647


class LiveModel:
    """Asks engagement_db for similar users and what they liked, one statement for all users.

    In a window of up to `exact_up_to_pairs` pairs of user and medium the caps are lifted: everything can be
    read, and the answer is exact.
    """

    name = LIVE
    version: str | None = None
    built_at: datetime | None = None

    def __init__(
        self, engagement_db: EngagementDatabase, caps: NeighbourCaps, exact_up_to_pairs: int
    ) -> None:
        self._engagement_db = engagement_db
        self._caps = caps
        self._no_caps = NeighbourCaps(
            history_items=_EVERYTHING,
            users_per_item=_EVERYTHING,
            shortlist=_EVERYTHING,
            similar_users=caps.similar_users,
            items_per_user=_EVERYTHING,
        )
        self._exact_up_to_pairs = exact_up_to_pairs

    def find_candidates(
        self, histories: Mapping[str, History], index: CatalogueIndex, window_start: str, deadline: Deadline
    ) -> Mapping[str, Candidates]:
        """Candidates by user, from the latest media of each history, or from all of a small database."""
        caps = self._caps_for(index, window_start)
        user_ids: list[str] = []
        media_ids: list[str] = []
        for user_id, history in histories.items():
            latest = history.positive_ids[: caps.history_items]
            user_ids += [user_id] * len(latest)
            media_ids += latest
        if not media_ids:
            return {}
        similar_users = self._engagement_db.fetch_candidates(
            user_ids, media_ids, index.idf_weights(media_ids), window_start, caps=caps, deadline=deadline
        )
        return _add_up(similar_users, index)

    def find_shared_users(
        self, media_id: str, index: CatalogueIndex, window_start: str, deadline: Deadline
    ) -> SharedUsers:
        """What the medium's latest users have, or all of its users in a small database."""
        caps = self._caps_for(index, window_start)
        media_keys, counts, read_users = self._engagement_db.fetch_shared_users(
            media_id, window_start, caps=caps, deadline=deadline
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

    def _caps_for(self, index: CatalogueIndex, window_start: str) -> NeighbourCaps:
        """None where the window is known to hold little: how much a longer one holds is not known."""
        popularity = index.popularity
        # Timestamps as text are in order, and -infinity comes before them all.
        small = popularity.pairs <= self._exact_up_to_pairs and window_start >= popularity.window_start
        return self._no_caps if small else self._caps


def _add_up(similar_users: Sequence[SimilarUser], index: CatalogueIndex) -> dict[str, Candidates]:
    """Candidates by user, from the similar users of all of them."""
    media_idx = index.media_keys.locate(b"".join(row.media_keys for row in similar_users))
    total_values = np.concatenate([row.total_values for row in similar_users] or [np.empty(0)])
    ends = np.cumsum([len(row.total_values) for row in similar_users])
    items_of: dict[str, list[slice]] = defaultdict(list)
    for row, end in zip(similar_users, ends, strict=True):
        for user_id in row.similar_to:
            items_of[user_id].append(slice(end - len(row.total_values), end))
    return {
        user_id: _candidates(parts, media_idx, total_values, len(index.media_ids))
        for user_id, parts in items_of.items()
    }


def _candidates(
    parts: Sequence[slice], media_idx: NDArray[np.intp], total_values: NDArray[np.float64], media_count: int
) -> Candidates:
    """One user's, from the parts of everybody's arrays that belong to the similar users."""

    def similar_histories() -> SimilarHistories:
        # Only now: for a hundred users, copies would take far more memory than what they are copied from.
        sizes = [part.stop - part.start for part in parts]
        return SimilarHistories(
            np.concatenate(([0], np.cumsum(sizes))), np.concatenate([media_idx[part] for part in parts])
        )

    own_idx = np.concatenate([media_idx[part] for part in parts])
    own_values = np.concatenate([total_values[part] for part in parts])
    known = own_idx >= 0
    return Candidates(*add_up_media(own_idx[known], own_values[known], media_count), similar_histories)
