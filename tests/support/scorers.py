"""A model that finds nothing, for tests in which the scores do not matter."""

from collections.abc import Sequence

import numpy as np

from recommender.catalog.index import CatalogIndex
from recommender.deadline import Deadline
from recommender.models.base import NO_SCORES, ItemSimilarities, Scores, UserContext, Window


class EmptyScorer:
    """Scores no item, and finds no similar ones. It explains nothing."""

    name = "live"
    version: str | None = None

    def score(
        self,
        users: Sequence[UserContext],
        items: CatalogIndex,  # noqa: ARG002 - the interface
        deadline: Deadline,  # noqa: ARG002
    ) -> Scores:
        return [NO_SCORES] * len(users)

    def similar_items(
        self,
        item_id: str,  # noqa: ARG002 - the interface
        items: CatalogIndex,  # noqa: ARG002
        window: Window,  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
    ) -> ItemSimilarities:
        return ItemSimilarities(np.empty(0, dtype=np.intp), np.empty(0))
