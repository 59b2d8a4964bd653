"""Scores that are equal in exact arithmetic are equal in the blend, and the others are in their order."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.ranking.blend import blend


def test_scores_that_are_equal_in_exact_arithmetic_rank_by_position() -> None:
    """0.4 × 1/2 + 0.6 × 216/1365 and 0.6 × 671/1365, which as floats differ in the last bit."""
    assert 0.4 * (1 / 2) + 0.6 * (216 / 1365) != 0.6 * (671 / 1365)
    for matches in ([0, 1, 0], [0, 0, 1]):
        products = np.array([1365, *([216, 671] if matches[1] else [671, 216])])
        keys = blend(np.array(matches), 2, np.arange(3), products, (0.4, 0.6))
        assert keys[1] == keys[2] < keys[0]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5) | st.integers(0, 10**30)), min_size=1, max_size=40
    ),
    st.integers(0, 3),
    st.sampled_from([(0.4, 0.6), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (0.3333333333333333, 0.1)]),
)
def test_keys_are_in_the_order_of_exact_scores(
    media: list[tuple[int, int]], unknown: int, weights: tuple[float, float]
) -> None:
    stated = 3 + unknown
    products = np.array([product for _, product in media], dtype=object)
    if max(products) < 2**62:
        products = products.astype(np.int64)
    keys = blend(
        np.array([matches for matches, _ in media], dtype=np.uint8),
        stated,
        np.arange(len(media)),
        products,
        weights,
    )
    content, collaborative = (Fraction(str(weight)) for weight in weights)
    best = max(product for _, product in media) or 1
    exact = [
        content * Fraction(matches, stated) + collaborative * Fraction(product, best)
        for matches, product in media
    ]
    for one, key in zip(exact, keys.tolist(), strict=True):
        assert [one < other for other in exact] == [key < other for other in keys.tolist()]
