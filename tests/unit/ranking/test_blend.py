"""What is ranked: scores that are equal exactly are equal, and the order is the one that is documented."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from recommender.ranking.blend import blend
from recommender.ranking.content import count_matches, pack_genres
from recommender.ranking.item_similarity import cosine_similarities, genre_overlaps
from recommender.ranking.top_k import top_k

GENRE_SETS = st.lists(st.sets(st.integers(0, 149)).map(sorted), min_size=1, max_size=20)
# Few distinct values, so that ties are the rule.
KEYS = hnp.arrays(
    np.int64, st.integers(0, 40) | st.integers(600, 900), elements=st.sampled_from([0, 1, 2, 4])
)


@given(GENRE_SETS, st.sets(st.integers(0, 149)).map(sorted))
def test_stated_genres_that_a_medium_has_are_counted(media: list[list[int]], user: list[int]) -> None:
    matches = count_matches(pack_genres(media, 150), pack_genres([user], 150)[0])
    assert matches.tolist() == [len(set(genres) & set(user)) for genres in media]


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


def test_cosines_of_users_read_whole_and_in_part() -> None:
    shared, users = np.array([4, 1, 0]), np.array([4, 16, 9])
    whole = cosine_similarities(shared, users, all_users=4, read_users=4)
    assert whole.tolist() == [1.0, 1 / 8, 0.0]
    # Half of the users were read: what they share stands for the others.
    half = cosine_similarities(np.array([1]), np.array([4]), all_users=4, read_users=2)
    assert half.tolist() == [0.5]
    assert cosine_similarities(shared, users, all_users=0, read_users=0).tolist() == [0, 0, 0]


def test_cosines_that_are_equal_in_exact_arithmetic_are_equal() -> None:
    # 1 / sqrt(11 × 7) and 3 / sqrt(99 × 7).
    cosines = cosine_similarities(np.array([1, 3, 5]), np.array([11, 99, 275]), all_users=7, read_users=7)
    assert cosines[0] == cosines[1] == cosines[2]


def test_genre_overlaps_are_shares_of_the_genres_of_either() -> None:
    masks = pack_genres([[0, 1], [1, 2], [70], []], 80)
    assert genre_overlaps(masks, masks[0]).tolist() == [1.0, 1 / 3, 0.0, 0.0]
    assert genre_overlaps(masks, masks[3]).tolist() == [0.0] * 4
