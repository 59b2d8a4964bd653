"""Popularity counts users, and recent ones more with a half-life."""

import numpy as np
import pytest

from recommender.data.dataset import Dataset, dataset_of
from recommender.databases.engagement_db import PositiveHistory
from recommender.deadline import Deadline
from recommender.models.base import Explainer, SimilarItems
from recommender.models.popularity import PopularityConfig, PopularityModel
from tests.support.datasets import ALL_TIME, context, index_of

DAY_S = 86_400.0


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Three users had `old` 20 days before one had `new`."""
    histories = [("u", "old", 0.0), ("v", "old", 0.0), ("w", "old", 0.0), ("x", "new", 20 * DAY_S)]
    return dataset_of(
        (
            PositiveHistory(user_id, [item_id], np.ones(1), [True], np.array([at]))
            for user_id, item_id, at in histories
        ),
        ALL_TIME.start,
    )


@pytest.mark.parametrize(
    ("half_life_days", "expected"), [(None, {"old": 3, "new": 1}), (10.0, {"old": 0.75, "new": 1})]
)
def test_each_user_counts_for_half_after_a_half_life(
    data: Dataset, half_life_days: float | None, expected: dict[str, float]
) -> None:
    model = PopularityModel(PopularityConfig(half_life_days=half_life_days))
    model.fit(data)
    index = index_of(data)
    for user in (context("u", ["old"]), context("newcomer", [])):
        (scores,) = model.score([user], index, Deadline.after(60))
        assert scores.item_idx is not None
        found = [index.item_ids[idx] for idx in scores.item_idx]
        values = dict(zip(found, (scores.values / scores.steps).tolist(), strict=True))
        assert values == pytest.approx(expected)


def test_popularity_is_not_explained_by_items_of_the_user() -> None:
    assert not isinstance(PopularityModel(), Explainer | SimilarItems)
