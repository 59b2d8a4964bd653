"""The content score: the stated genres that an item has, or how well its genres fit a profile."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ranking.genre_matching import (
    TasteWeights,
    count_genres,
    count_matches,
    genre_rates,
    pack_genres,
    tastes_by_set,
)

GENRE_SETS = st.lists(st.sets(st.integers(0, 149)).map(sorted), min_size=1, max_size=20)


@given(GENRE_SETS, st.sets(st.integers(0, 149)).map(sorted))
def test_stated_genres_that_an_item_has_are_counted(items: list[list[int]], user: list[int]) -> None:
    matches = count_matches(pack_genres(items, 150), pack_genres([user], 150)[0])
    assert matches.tolist() == [len(set(genres) & set(user)) for genres in items]


# Genres 0 and 1; the last item has none.
RATES = genre_rates(pack_genres([[0], [0, 1], [1], []], 2), 2, np.array([7, 2, 0, 1]))
NO_ITEMS = np.empty(0, dtype=np.intp)


def test_rates_and_popularity_by_hand() -> None:
    # 7 + 2 / 2 of genre 0, 2 / 2 of genre 1, and 0.01 of each.
    assert RATES.shares.tolist() == pytest.approx([8.01 / 9.02, 1.01 / 9.02])
    assert RATES.popularity.tolist() == pytest.approx(
        [1.0, math.sqrt(math.log(3) / math.log(8)), 0.0, math.sqrt(math.log(2) / math.log(8))]
    )


def test_a_taste_by_hand() -> None:
    counts = count_genres(RATES, np.array([0, 1, 3]), np.array([1]))
    assert counts.tolist() == [1.5, 2.5]
    first, second = 8.01 / 9.02, 1.01 / 9.02
    lifts = [
        math.log((1.5 + 40 * first) / (44 * first)),
        math.log((2.5 + 40 * second) / (44 * second)),
    ]
    means = [lifts[0], sum(lifts) / 2, lifts[1], 0.0]
    assert tastes_by_set(RATES, counts)[RATES.set_idx].tolist() == pytest.approx(
        [1 / (1 + math.exp(-2 * mean)) for mean in means]
    )


def test_without_history_or_stated_genres_all_items_score_alike() -> None:
    counts = count_genres(RATES, NO_ITEMS, NO_ITEMS)
    assert tastes_by_set(RATES, counts).tolist() == pytest.approx([0.5] * 4)


def test_a_genre_that_no_user_has_can_be_stated() -> None:
    rates = genre_rates(pack_genres([[0], [1]], 2), 2, np.array([5, 0]))
    tastes = tastes_by_set(rates, count_genres(rates, NO_ITEMS, np.array([1])))[rates.set_idx]
    assert 0.0 < tastes[0] < 0.5 < tastes[1] <= 1.0
    assert rates.popularity.tolist() == [1.0, 0.0]


def test_other_weights_are_obeyed() -> None:
    weights = TasteWeights(prior=1.0, stated=0.0, slope=0.0)
    counts = count_genres(RATES, np.array([2]), np.array([0]), weights)
    assert counts.tolist() == [0.0, 1.0]
    assert tastes_by_set(RATES, counts, weights).tolist() == [0.5] * 4


def test_without_any_popularity_all_items_have_the_same_factor() -> None:
    rates = genre_rates(pack_genres([[0], [1], []], 2), 2, np.zeros(3, dtype=np.int64))
    assert rates.popularity.tolist() == [1.0] * 3
    assert rates.shares.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("items", [0, 2])
def test_a_catalog_without_genres_has_no_taste(items: int) -> None:
    rates = genre_rates(np.zeros((items, 1), dtype=np.uint64), 0, np.ones(items, dtype=np.int64))
    tastes = tastes_by_set(rates, count_genres(rates, np.arange(items), NO_ITEMS))
    assert tastes[rates.set_idx].tolist() == [0.5] * items


@given(GENRE_SETS)
def test_each_item_adds_one_to_the_counts_unless_it_has_no_genres(items: list[list[int]]) -> None:
    rates = genre_rates(pack_genres(items, 150), 150, np.ones(len(items), dtype=np.int64))
    counts = count_genres(rates, np.arange(len(items)), NO_ITEMS)
    assert counts.sum() == pytest.approx(sum(bool(genres) for genres in items))
    for number, genres in enumerate(items):
        assert sorted(rates.entry_genre[rates.entry_set == rates.set_idx[number]].tolist()) == genres
