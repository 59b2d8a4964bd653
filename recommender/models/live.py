"""Similar users by bounded live SQL: no state, no training, on any database."""

from collections.abc import Mapping

import numpy as np

from recommender.catalogue_index import CatalogueIndex
from recommender.databases.engagement_db import CandidateRows, EngagementDatabase, NeighbourCaps
from recommender.domain import History
from recommender.models.base import LIVE, Candidates


class LiveModel:
    """Asks engagement_db for similar users and what they liked, one statement for all users."""

    name = LIVE
    version: str | None = None

    def __init__(self, engagement_db: EngagementDatabase, caps: NeighbourCaps) -> None:
        self._engagement_db = engagement_db
        self._caps = caps

    def find_candidates(
        self, histories: Mapping[str, History], index: CatalogueIndex, window_start: str
    ) -> Mapping[str, Candidates]:
        """Candidates by user, from at most `caps.history_items` latest media of each history."""
        user_ids: list[str] = []
        media_ids: list[str] = []
        for user_id, history in histories.items():
            latest = history.positive_ids[: self._caps.history_items]
            user_ids += [user_id] * len(latest)
            media_ids += latest
        if not media_ids:
            return {}
        rows = self._engagement_db.fetch_candidates(
            user_ids, media_ids, index.idf_weights(media_ids), window_start, self._caps
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
