"""Re-ranking puts different genres next to each other, as much as diversity asks for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.ranking.genre_matching import pack_genres
from recommender.ranking.rerank import rerank_by_genres

DIVERSITIES = st.floats(0, 1)
SETS = st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=1, max_size=15)


def masks(*sets: list[int]) -> NDArray[np.uint64]:
    return pack_genres(list(sets), 6)


def reference(scores: list[float], sets: list[set[int]], diversity: float) -> list[int]:
    """Return the order by the formula as it is written, item by item."""
    order: list[int] = []
    largest = max(scores)
    while len(order) < len(scores):
        values = {}
        for item in sorted(set(range(len(scores))) - set(order)):
            overlaps = [
                len(sets[item] & sets[other]) / len(sets[item] | sets[other])
                if sets[item] | sets[other]
                else 0.0
                for other in order
            ]
            relevance = scores[item] / largest if largest else 0.0
            values[item] = round((1 - diversity) * relevance - diversity * max(overlaps, default=0.0), 12)
        order.append(max(values, key=lambda item: (values[item], -item)))
    return order


@given(SETS, DIVERSITIES, st.data())
def test_the_order_is_that_of_the_formula(
    sets: list[list[int]], diversity: float, data: st.DataObject
) -> None:
    steps = data.draw(st.lists(st.integers(0, 4), min_size=len(sets), max_size=len(sets)))
    scores = sorted((step / 4 for step in steps), reverse=True)
    found = rerank_by_genres(np.array(scores), masks(*sets), diversity, len(sets))
    if diversity:
        assert found.tolist() == reference(scores, [set(each) for each in sets], diversity)


@given(SETS, DIVERSITIES, st.integers(0, 15))
def test_a_longer_list_begins_with_the_shorter_one(
    sets: list[list[int]], diversity: float, limit: int
) -> None:
    scores = np.linspace(1.0, 0.0, len(sets))
    whole = rerank_by_genres(scores, masks(*sets), diversity, len(sets))
    assert sorted(whole.tolist()) == list(range(len(sets)))
    assert rerank_by_genres(scores, masks(*sets), diversity, limit).tolist() == whole[:limit].tolist()


def test_without_diversity_the_order_stays() -> None:
    order = rerank_by_genres(np.array([0.9, 0.9, 0.5]), masks([0], [0], [1]), 0.0, 3)
    assert order.tolist() == [0, 1, 2]


def test_a_different_genre_moves_up() -> None:
    genres = masks([0], [0], [1])
    # Only their ratios count.
    for largest in (1.0, 0.1):
        scores = largest * np.array([1.0, 0.9, 0.8])
        assert rerank_by_genres(scores, genres, 0.05, 3).tolist() == [0, 1, 2]
        assert rerank_by_genres(scores, genres, 0.3, 3).tolist() == [0, 2, 1]


def test_rounding_errors_do_not_decide_and_small_differences_do() -> None:
    genres = masks([0], [0], [1])
    for difference, order in ((1e-14, [0, 1, 2]), (1e-8, [0, 2, 1])):
        # 0.8 × 0.8 - 0.2 × 1 = 0.8 × 0.55
        scores = np.array([1.0, 0.8, 0.55 + difference])
        assert rerank_by_genres(scores, genres, 0.2, 3).tolist() == order


def test_equal_items_keep_their_order() -> None:
    order = rerank_by_genres(np.array([0.5, 0.5, 0.5, 0.5]), masks([0], [1], [0], [1]), 0.5, 4)
    assert order.tolist() == [0, 1, 2, 3]
