"""Sums of weights become the same integer scores, compiled or by numpy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.models.base import NO_SCORES
from recommender.models.whole_scores import scores_of_floats, scores_of_sums

SUMS = (
    st.just(0.0)
    | st.floats(-10.0, 0.0)
    | st.floats(5e-324, 1e-300)
    | st.floats(1e-30, 1e-29)
    | st.floats(1e-3, 10.0)
)


@given(st.lists(st.tuples(SUMS, st.booleans()), max_size=60))
def test_sums_above_0_of_items_in_the_index_are_whole_scores(items: list[tuple[float, bool]]) -> None:
    sums = np.array([value for value, _ in items], dtype=np.float64)
    positions = np.array([2 * n if known else -1 for n, (_, known) in enumerate(items)], dtype=np.intp)
    kept = np.flatnonzero((sums > 0.0) & (positions >= 0))
    expected, found = scores_of_floats(sums[kept], positions[kept]), scores_of_sums(sums, positions)
    assert found.values.tolist() == expected.values.tolist()
    assert found.item_idx is not None
    assert expected.item_idx is not None
    assert found.item_idx.tolist() == expected.item_idx.tolist()
    assert found.steps == expected.steps
    assert (found.values >= 0).all()


def test_scores_too_small_to_be_told_apart_are_none() -> None:
    tiny, item_idx = np.array([5e-324, 1e-310]), np.arange(2)
    assert scores_of_floats(tiny, item_idx) is NO_SCORES
    assert scores_of_sums(tiny, item_idx) is NO_SCORES
