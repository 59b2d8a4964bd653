"""Scores that are equal in exact arithmetic are equal in the blend, and others keep their order."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.ranking.blend import EligibleValues, blend, eligible_values
from recommender.ranking.genre_matching import pack_genres

# More than 64, so that a mask has two words.
GENRES = 70
VALUES = st.integers(0, 5) | st.integers(0, 10**30)


def stated_of(matches: list[int], stated: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64], int]:
    """Return the masks of items by their number of stated genres, that of these genres, and their number."""
    first = GENRES - 2
    masks = pack_genres([[0, *range(first, first + count)] for count in matches], first + 5)
    return masks, pack_genres([list(range(first, first + 5))], first + 5)[0], stated


def test_scores_that_are_equal_in_exact_arithmetic_rank_by_index() -> None:
    """0.4 × 1/2 + 0.6 × 216/1365 and 0.6 × 671/1365, which as floats differ in the last bit."""
    assert 0.4 * (1 / 2) + 0.6 * (216 / 1365) != 0.6 * (671 / 1365)
    for matches in ([0, 1, 0], [0, 0, 1]):
        products = np.array([1365, *([216, 671] if matches[1] else [671, 216])])
        keys = blend(*stated_of(matches, 2), EligibleValues(products, 1365), (0.4, 0.6))
        assert keys[1] == keys[2] < keys[0]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5) | st.integers(0, 10**30)), min_size=1, max_size=40
    ),
    st.integers(0, 3),
    st.sampled_from([(0.4, 0.6), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (0.3333333333333333, 0.1)]),
)
def test_keys_are_in_the_order_of_exact_scores(
    items: list[tuple[int, int]], unknown: int, weights: tuple[float, float]
) -> None:
    stated = 3 + unknown
    products = np.array([product for _, product in items], dtype=object)
    if max(products) < 2**62:
        products = products.astype(np.int64)
    eligible = np.ones(len(items), dtype=np.bool_)
    keys = blend(
        *stated_of([matches for matches, _ in items], stated),
        eligible_values(products, None, eligible),
        weights,
    )
    content, collaborative = (Fraction(str(weight)) for weight in weights)
    best = max(product for _, product in items) or 1
    exact = [
        content * Fraction(matches, stated) + collaborative * Fraction(product, best)
        for matches, product in items
    ]
    for one, key in zip(exact, keys.tolist(), strict=True):
        assert [one < other for other in exact] == [key < other for other in keys.tolist()]


@given(items=st.lists(st.tuples(VALUES, st.booleans(), st.booleans()), max_size=100), is_dense=st.booleans())
def test_only_scores_of_eligible_items_are_offered(
    *, items: list[tuple[int, bool, bool]], is_dense: bool
) -> None:
    values = [value for value, _, _ in items]
    whole = np.array(values, dtype=np.int64 if max(values, default=0) < 2**62 else object)
    eligible = np.array([may for _, may, _ in items], dtype=np.bool_)
    scored = np.array([is_dense or is_scored for _, _, is_scored in items], dtype=np.bool_)
    item_idx = np.flatnonzero(scored)[::-1]
    if is_dense:
        written, largest = eligible_values(whole, None, eligible)
    else:
        written, largest = eligible_values(whole[item_idx], item_idx, eligible)
    expected = [
        value * bool(is_scored and may) for (value, may, _), is_scored in zip(items, scored, strict=True)
    ]
    assert written.tolist() == expected
    assert largest == max(expected, default=0)
