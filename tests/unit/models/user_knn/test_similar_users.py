"""The positive items of users, and which users are most similar."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.data.interactions import InteractionKind
from recommender.models.user_knn.similar_users import (
    DISLIKE,
    LIKE,
    ConcatenatedInteractions,
    most_similar,
    positive_items,
)
from recommender.models.user_knn.similarity import DAMPING

WATCH = InteractionKind.WATCH.value

Row = tuple[int, int, int, float]  # Item, time, kind, value.


def interactions(*users: list[Row]) -> ConcatenatedInteractions:
    rows = [row for user in users for row in sorted(user, key=lambda row: -row[1])]
    items, times, kinds, values = zip(*rows, strict=True) if rows else ((), (), (), ())
    return ConcatenatedInteractions(
        np.array([len(user) for user in users], dtype=np.int64),
        # Any number that distinguishes items.
        np.array(items, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15),
        np.array(times, dtype=np.int64),
        np.array(kinds, dtype=np.uint8),
        np.array(values, dtype=np.float64),
    )


def totals(*users: list[Row], items_per_user: int = 1_000) -> list[dict[int, float]]:
    """Return the total value of each item of each user."""
    found = positive_items(interactions(*users), items_per_user)
    item_of_row = [row[0] for user in users for row in sorted(user, key=lambda row: -row[1])]
    ends = found.user_start.tolist()
    return [
        {
            item_of_row[found.rows[pair]]: float(found.value_steps[pair]) / 1e9
            for pair in range(ends[user], ends[user + 1])
        }
        for user in range(len(users))
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(7, 1, WATCH, 0.5)], {7: 0.5}),
        ([(7, 1, LIKE, 2.0), (7, 5, WATCH, 0.5)], {7: 2.5}),
        ([(7, 1, WATCH, 0.5), (7, 2, DISLIKE, -2.0)], {}),
        ([(7, 1, DISLIKE, -2.0), (7, 2, WATCH, 0.5)], {}),
        ([(7, 1, DISLIKE, -2.0), (7, 2, LIKE, 2.0)], {7: 2.0}),
        ([(7, 1, LIKE, 2.0), (7, 2, DISLIKE, -2.0), (7, 3, WATCH, 1.0)], {}),
        ([(7, 2, LIKE, 2.0), (7, 2, DISLIKE, -2.0)], {}),
        ([(7, 2, DISLIKE, -2.0), (7, 2, LIKE, 2.0)], {}),
        ([(7, 1, DISLIKE, -2.0)], {}),
        ([(7, 1, DISLIKE, -2.0), (7, 2, DISLIKE, -2.0)], {}),
        ([(7, 1, WATCH, 0.1)] * 3, {7: 0.3}),
    ],
)
def test_the_latest_verdict_decides_and_a_tie_is_a_dislike(
    rows: list[Row], expected: dict[int, float]
) -> None:
    # Among rows of other users, who have the same item.
    before, found, after = totals([(7, 9, LIKE, 1.0)], rows, [(7, 9, WATCH, 1.0), (8, 1, LIKE, 1.0)])
    assert found == expected
    assert (before, after) == ({7: 1.0}, {7: 1.0, 8: 1.0})


ROWS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 5),
        st.sampled_from([LIKE, WATCH, DISLIKE]),
        st.sampled_from([0.1, 0.25, -1.0, float("nan"), float("inf"), 1e300]),
    ),
    max_size=12,
)


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_positive_items_agree_with_a_plain_reading(users: list[list[Row]]) -> None:
    for rows, found in zip(users, totals(*users), strict=True):
        by_item = defaultdict(list)
        for row in rows:
            by_item[row[0]].append(row)
        expected = {}
        for item, own in by_item.items():
            verdicts = [(time, kind == DISLIKE) for _, time, kind, _ in own if kind != WATCH]
            if any(kind != DISLIKE for _, _, kind, _ in own) and not (verdicts and max(verdicts)[1]):
                values = [
                    Fraction(str(value)) for _, _, kind, value in own if kind != DISLIKE and abs(value) < 2
                ]
                expected[item] = float(sum(values, Fraction(0)))
        assert found == expected


def test_the_latest_items_count_and_repeated_ones_count_once() -> None:
    rows = [(1, 9, WATCH, 1.0), (1, 8, WATCH, 1.0), (2, 7, WATCH, 1.0), (1, 6, WATCH, 1.0), (3, 5, LIKE, 1.0)]
    assert totals(rows, rows, items_per_user=2) == [{1: 3.0, 2: 1.0}] * 2


@given(st.lists(st.tuples(st.integers(1, 2**40), st.integers(1, 500)), max_size=60), st.integers(1, 60))
def test_the_most_similar_come_first_and_ties_go_to_the_first(
    pairs: list[tuple[int, int]], top_k: int
) -> None:
    overlaps, sizes = (
        np.array(column, dtype=np.int64) for column in (zip(*pairs, strict=True) if pairs else ((), ()))
    )
    squares = [Fraction(overlap**2, size + 10) for overlap, size in pairs]
    expected = sorted(range(len(pairs)), key=lambda user: (-squares[user], user))[:top_k]
    assert most_similar(overlaps, sizes, top_k).tolist() == expected


def test_similarities_that_are_equal_in_exact_arithmetic_tie() -> None:
    # Overlaps of 1, 3, 5 with |P(v)| + 10 of 11, 99, 275: equal, but for the rounding of floats.
    unit = 7_654_321
    overlaps, sizes = np.array([5, 1, 3]) * unit, np.array([265, 1, 89])
    for top_k in (1, 2, 3):
        assert most_similar(overlaps, sizes, top_k).tolist() == [0, 1, 2][:top_k]


def test_a_tie_at_the_cut_goes_to_the_first_user_whatever_the_rounding() -> None:
    overlaps, sizes = np.array([1, 3]), np.array([5, 125])
    # In exact arithmetic, both are 1 / sqrt(15).
    first, second = overlaps / np.sqrt(sizes + DAMPING)
    assert first < second
    assert most_similar(overlaps, sizes, 1).tolist() == [0]
