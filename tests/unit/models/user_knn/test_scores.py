"""Scores by similar users, and the user's own items that they come from."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.models.user_knn.contributions import SimilarHistories, contributions_of_history
from recommender.models.user_knn.scores import add_up_items, scores_by_similar_users
from recommender.models.user_knn.similarity import idf_weight
from recommender.ranking.blend import divide_by_largest


def no_histories() -> SimilarHistories:
    raise AssertionError("only explanations need them")


def contributing(
    item_idx: NDArray[np.intp],
    history_idx: NDArray[np.intp],
    idf_weights: NDArray[np.int64],
    histories: SimilarHistories,
    top_k: int,
) -> list[NDArray[np.intp]]:
    found = contributions_of_history(
        item_idx, np.ones(len(item_idx)), history_idx, idf_weights, histories=histories, top_k=top_k
    )
    return [each.item_idx for each in found]


@example([(1, 10), (200, 50 * 10**13 + 1)])
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(-(10**15), 10**15) | st.just(10**40)), max_size=30)
)
def test_collaborative_products_are_exact_and_never_negative(candidates: list[tuple[int, int]]) -> None:
    counts = np.array([count for count, _ in candidates], dtype=np.int64)
    steps = np.array([float(value) for _, value in candidates])
    products = scores_by_similar_users(np.arange(len(counts)), counts, steps, no_histories).values
    assert products.tolist() == [max(0, count * int(float(value))) for count, value in candidates]
    largest = int(products.max(initial=0))
    shares = divide_by_largest(products, largest)
    assert shares.tolist() == [product / largest if largest else 0.0 for product in products.tolist()]


@example([(200, 10**8), (1, 3)], 1.0)
@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(0, 10**8)), min_size=1, max_size=30),
    st.sampled_from([1.0, 0.5, 0.25]),
)
def test_large_values_with_few_decimals_stay_in_64_bits(
    candidates: list[tuple[int, int]], unit: float
) -> None:
    counts = np.array([count for count, _ in candidates], dtype=np.int64)
    values = np.array([value * unit for _, value in candidates])
    scores = scores_by_similar_users(np.arange(len(counts)), counts, values * 1e9, no_histories)
    assert scores.values.dtype == np.int64
    exact = [count * value * unit for count, value in zip(counts.tolist(), values / unit, strict=True)]
    assert (scores.values / scores.steps).tolist() == pytest.approx(exact)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_idf_is_the_log_of_the_share_in_fixed_point(active: int, positive: int) -> None:
    weight = idf_weight(active, positive)
    expected = max(0.0, math.log(max(active, 1) / max(positive, 1)))
    assert weight / 2**26 == pytest.approx(expected, abs=2**-27)
    assert 0 <= weight < 2**31


def test_similar_users_items_are_counted_and_summed() -> None:
    found, counts, sums = add_up_items(np.array([4, 1, 4]), np.array([0.5, 2.0, 1.0]), 6)
    assert (found.tolist(), counts.tolist(), sums.tolist()) == ([1, 4], [1, 2], [2.0, 1.5])


def test_items_of_more_similar_users_contribute_more() -> None:
    # Three similar users, of whom two have item 9: one shares 1 and 2 with the user, the other 2.
    histories = SimilarHistories(np.array([0, 3, 5, 7]), np.array([9, 1, 2, 9, 2, 3, 1]))
    telling = contributing(np.array([9, 3, 4]), np.array([1, 2, 5]), np.array([7, 7, 7]), histories, 3)
    assert [each.tolist() for each in telling] == [[2, 1], [1], []]


def test_rare_items_contribute_more_and_ties_go_to_the_latest() -> None:
    histories = SimilarHistories(np.array([0, 4]), np.array([9, 1, 2, 3]))
    rare = contributing(np.array([9]), np.array([1, 2, 3]), np.array([1, 5, 2]), histories, 2)
    assert [each.tolist() for each in rare] == [[2, 3]]
    tied = contributing(np.array([9]), np.array([3, 1, 2]), np.array([4, 4, 4]), histories, 2)
    assert [each.tolist() for each in tied] == [[3, 1]]


def test_items_of_all_users_and_unknown_items_have_no_weight() -> None:
    histories = SimilarHistories(np.array([0, 3]), np.array([9, 1, -1]))
    assert contributing(np.array([9]), np.array([1]), np.array([0]), histories, 3)[0].tolist() == []
    none = np.array([], dtype=np.intp)
    assert [each.tolist() for each in contributing(np.array([9]), none, none, histories, 3)] == [[]]


def test_a_long_history_takes_memory_only_for_what_similar_users_share() -> None:
    """With a column for each medium of the history it would be 50 × 200,000 numbers."""
    rng = np.random.default_rng(5)
    histories = SimilarHistories(np.arange(0, 50 * 200 + 1, 200), rng.integers(0, 300_000, size=50 * 200))
    history = rng.permutation(300_000)[:200_000]
    idf_weights = np.full(len(history), 1 << 26)
    tracemalloc.start()
    try:
        telling = contributing(histories.item_idx[:100], history, idf_weights, histories, 3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(len(each) for each in telling) > 100
    assert peak < 20e6
