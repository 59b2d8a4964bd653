"""Similar users by bounded live SQL: no state, no training, on any database."""

from collections.abc import Mapping

from recommender.catalogue_index import CatalogueIndex
from recommender.databases.engagement_db import EngagementDatabase, NeighbourCaps
from recommender.domain import Candidates, History


class LiveModel:
    """Asks engagement_db for similar users and what they liked, one statement for all users."""

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
        return self._engagement_db.fetch_candidates(
            user_ids, media_ids, index.idf_weights(media_ids), window_start, self._caps
        )
