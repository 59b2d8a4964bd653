"""A page is a slice of the whole order: by key, then by position."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from recommender.ranking.top_k import find_best, top_k

# Few distinct values, so that most are ties.
KEYS = hnp.arrays(
    np.int64, st.integers(0, 40) | st.integers(600, 900), elements=st.sampled_from([0, 1, 2, 4])
)


@given(KEYS, st.data(), st.integers(1, 50), st.integers(0, 50))
def test_a_page_is_a_slice_of_the_ranking_by_key_then_position(
    keys: NDArray[np.int64], data: st.DataObject, limit: int, offset: int
) -> None:
    eligible = data.draw(hnp.arrays(np.bool_, len(keys)))
    ranking = sorted(np.flatnonzero(eligible).tolist(), key=lambda idx: (-keys[idx], idx))
    page = top_k(keys, eligible, limit, offset)
    assert page.tolist() == ranking[offset : offset + limit]


@given(KEYS, st.integers(1, 10))
def test_pages_neither_overlap_nor_skip(keys: NDArray[np.int64], limit: int) -> None:
    eligible = np.ones(len(keys), dtype=np.bool_)
    pages = [top_k(keys, eligible, limit, offset) for offset in range(0, len(keys) + limit, limit)]
    assert sorted(np.concatenate(pages).tolist()) == list(range(len(keys)))


def test_arrays_that_cannot_be_written_to_are_ranked_by_the_same_compiled_code() -> None:
    keys, eligible = np.array([1, 3, 2]), np.array([True, True, False])
    expected = top_k(keys, eligible, 2).tolist()
    compiled_for = list(getattr(find_best, "signatures", ()))
    keys.flags.writeable = eligible.flags.writeable = False
    assert top_k(keys, eligible, 2).tolist() == expected == [1, 0]
    assert list(getattr(find_best, "signatures", ())) == compiled_for
