"""A dataset has users in order, their items latest first, and one number for each item."""

import numpy as np

from recommender.data.dataset import dataset_of
from recommender.databases.engagement_db import PositiveHistory


def history(user_id: str, *items: tuple[str, float, bool, float]) -> PositiveHistory:
    item_ids, values, liked, times = zip(*items, strict=True)
    return PositiveHistory(user_id, list(item_ids), np.array(values), list(liked), np.array(times))


def test_users_are_in_order_and_their_items_latest_first() -> None:
    data = dataset_of(
        [
            history("v", ("a", 1.0, True, 10.0), ("b", 2.0, False, 30.0), ("c", 3.0, True, 20.0)),
            history("u", ("c", 4.0, False, 5.0)),
        ],
        "2026-01-01",
    )
    assert list(data.user_ids) == ["u", "v"]
    assert [data.item_ids[idx] for idx in data.item_idx.tolist()] == ["c", "b", "c", "a"]
    assert data.user_start.tolist() == [0, 1, 4]
    assert data.user_idx.tolist() == [0, 1, 1, 1]
    assert data.values.tolist() == [4.0, 2.0, 3.0, 1.0]
    assert data.liked.tolist() == [False, False, True, True]
    assert data.times.tolist() == [5.0, 30.0, 20.0, 10.0]
    assert data.counts == {"users": 2, "media": 3, "pairs": 4}


def test_items_of_one_moment_keep_their_order() -> None:
    data = dataset_of([history("u", ("a", 1.0, True, 1.0), ("b", 1.0, True, 1.0))], "-infinity")
    assert [data.item_ids[idx] for idx in data.item_idx.tolist()] == ["a", "b"]


def test_no_users_make_an_empty_dataset() -> None:
    data = dataset_of([], "-infinity")
    assert set(data.counts.values()) == {0}
    assert data.user_start.tolist() == [0]
