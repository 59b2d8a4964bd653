"""P(u) of interactions in memory is what docs/explanation/algorithm.md defines."""

import numpy as np
import pytest

from recommender.data.interactions import (
    InteractionKind,
    Interactions,
    histories_of,
    interactions_of,
    positive_pairs,
    without_repeats,
)
from recommender.databases.engagement_db import InteractionArrays

LIKE, WATCH, DISLIKE, OTHER = (
    InteractionKind.LIKE,
    InteractionKind.WATCH,
    InteractionKind.DISLIKE,
    InteractionKind.OTHER,
)


def of_one_user(*rows: tuple[str, InteractionKind, float]) -> Interactions:
    items, kinds, times = zip(*rows, strict=True)
    values = [1.0] * len(rows)
    return interactions_of(
        [
            InteractionArrays(
                "u", list(items), list(kinds), np.array(values), np.array(times), [True] * len(rows)
            )
        ]
    )


@pytest.mark.parametrize(
    ("rows", "is_positive"),
    [
        ([(LIKE, 1)], True),
        ([(WATCH, 1)], True),
        ([(DISLIKE, 1)], False),
        ([(OTHER, 1)], False),
        ([(DISLIKE, 1), (LIKE, 2)], True),
        ([(LIKE, 1), (DISLIKE, 2)], False),
        ([(LIKE, 1), (DISLIKE, 1)], False),
        ([(DISLIKE, 1), (WATCH, 2)], False),
        ([(WATCH, 1), (DISLIKE, 2), (LIKE, 3), (WATCH, 4)], True),
    ],
)
def test_the_latest_verdict_decides(rows: list[tuple[InteractionKind, float]], is_positive: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    pairs = positive_pairs(of_one_user(*(("a", kind, time) for kind, time in rows)))
    assert len(pairs.item_idx) == is_positive


def test_values_and_times_are_of_likes_and_watches() -> None:
    pairs = positive_pairs(of_one_user(("a", DISLIKE, 1), ("a", LIKE, 2), ("a", WATCH, 5), ("b", WATCH, 3)))
    assert pairs.values.tolist() == [2.0, 1.0]
    assert pairs.times.tolist() == [5.0, 3.0]
    assert pairs.liked.tolist() == [True, False]


def test_histories_are_latest_first_and_items_of_one_moment_by_id() -> None:
    rows = of_one_user(("c", LIKE, 1), ("b", WATCH, 2), ("a", LIKE, 1), ("d", DISLIKE, 9))
    (history,) = histories_of(positive_pairs(rows), rows)
    assert history.item_ids == ["b", "a", "c"]
    assert history.liked == [False, True, True]


def test_interactions_before_the_window_do_not_count() -> None:
    rows = of_one_user(("a", LIKE, 1), ("b", LIKE, 2), ("b", DISLIKE, 1), ("c", OTHER, np.nan))
    pairs = positive_pairs(rows.since(2))
    assert [rows.item_ids[item] for item in pairs.item_idx] == ["b"]


def test_repeated_rows_count_once() -> None:
    rows = of_one_user(("a", LIKE, 1), ("b", LIKE, 1), ("a", LIKE, 1), ("a", WATCH, 1), ("a", LIKE, 2))
    kept = without_repeats(rows)
    assert sorted(zip(kept.item_idx.tolist(), kept.kinds.tolist(), kept.times.tolist(), strict=True)) == [
        (0, 1, 1),
        (0, 1, 2),
        (0, 2, 1),
        (1, 1, 1),
    ]


def test_no_rows_are_no_pairs() -> None:
    rows = interactions_of([])
    assert len(positive_pairs(rows).item_idx) == 0
    assert list(histories_of(positive_pairs(rows), rows)) == []
