"""Similar users by bounded live SQL: no state, no training, on any database."""

from collections.abc import Mapping

import numpy as np

from recommender.catalogue_index import CatalogueIndex
from recommender.databases.engagement_db import CandidateRows, EngagementDatabase, NeighbourCaps
from recommender.domain import History
from recommender.models.base import LIVE, Candidates

# PostgreSQL's largest int: no cap at all.
_EVERYTHING = 2_147_483_647


class LiveModel:
    """Asks engagement_db for similar users and what they liked, one statement for all users.

    In a window of up to `exact_up_to_pairs` pairs of user and medium the caps are lifted: everything can be
    read, and the answer is exact.
    """

    name = LIVE
    version: str | None = None

    def __init__(
        self, engagement_db: EngagementDatabase, caps: NeighbourCaps, exact_up_to_pairs: int
    ) -> None:
        self._engagement_db = engagement_db
        self._caps = caps
        self._no_caps = NeighbourCaps(
            history_items=_EVERYTHING,
            users_per_item=_EVERYTHING,
            shortlist=_EVERYTHING,
            items_counted=_EVERYTHING,
            similar_users=caps.similar_users,
            items_per_user=_EVERYTHING,
        )
        self._exact_up_to_pairs = exact_up_to_pairs

    def find_candidates(
        self, histories: Mapping[str, History], index: CatalogueIndex, window_start: str
    ) -> Mapping[str, Candidates]:
        """Candidates by user, from the latest media of each history, or from all of a small database."""
        caps = self._no_caps if index.popularity.pairs <= self._exact_up_to_pairs else self._caps
        user_ids: list[str] = []
        media_ids: list[str] = []
        for user_id, history in histories.items():
            latest = history.positive_ids[: caps.history_items]
            user_ids += [user_id] * len(latest)
            media_ids += latest
        if not media_ids:
            return {}
        rows = self._engagement_db.fetch_candidates(
            user_ids, media_ids, index.idf_weights(media_ids), window_start, caps
        )
        return {user_id: _candidates(found, index) for user_id, found in rows.items()}


def _candidates(rows: CandidateRows, index: CatalogueIndex) -> Candidates:
    media_idx = index.locate(rows.media_ids)
    known = media_idx >= 0
    return Candidates(
        media_idx[known],
        np.asarray(rows.similar_user_counts, dtype=np.int64)[known],
        np.asarray(rows.total_values, dtype=np.float64)[known],
    )
