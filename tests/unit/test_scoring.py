"""Properties of the scoring functions, and the numbers of small examples."""

import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from recommender.scoring.collaborative import add_up_media, collaborative_products, collaborative_scores
from recommender.scoring.content import count_matches, pack_genres
from recommender.scoring.explanation import SimilarHistories, telling_media
from recommender.scoring.ranking import rank_page, ranking_keys
from recommender.scoring.similar_media import cosine_similarities, genre_overlaps
from recommender.scoring.similarity import idf_weight

GENRE_SETS = st.lists(st.sets(st.integers(0, 149)).map(sorted), min_size=1, max_size=20)
# Few distinct values, so that ties are the rule.
KEYS = hnp.arrays(
    np.int64, st.integers(0, 40) | st.integers(600, 900), elements=st.sampled_from([0, 1, 2, 4])
)


@given(GENRE_SETS, st.sets(st.integers(0, 149)).map(sorted))
def test_stated_genres_that_a_medium_has_are_counted(media: list[list[int]], user: list[int]) -> None:
    matches = count_matches(pack_genres(media, 150), pack_genres([user], 150)[0])
    assert matches.tolist() == [len(set(genres) & set(user)) for genres in media]


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(-(10**15), 10**15) | st.just(10**40)), max_size=30)
)
def test_collaborative_products_are_exact_and_never_negative(candidates: list[tuple[int, int]]) -> None:
    counts = np.array([count for count, _ in candidates], dtype=np.int64)
    steps = np.array([float(value) for _, value in candidates])
    products = collaborative_products(counts, steps)
    assert products.tolist() == [max(0, count * int(float(value))) for count, value in candidates]
    largest = int(products.max(initial=0))
    scores = collaborative_scores(products, largest)
    assert scores.tolist() == [product / largest if largest else 0.0 for product in products.tolist()]


def test_scores_that_are_equal_in_exact_arithmetic_rank_by_position() -> None:
    """0.4 × 1/2 + 0.6 × 216/1365 and 0.6 × 671/1365, which as floats differ in the last bit."""
    assert 0.4 * (1 / 2) + 0.6 * (216 / 1365) != 0.6 * (671 / 1365)
    for matches in ([0, 1, 0], [0, 0, 1]):
        products = np.array([1365, *([216, 671] if matches[1] else [671, 216])])
        keys = ranking_keys(np.array(matches), 2, np.arange(3), products, (0.4, 0.6))
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
    keys = ranking_keys(
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
    page = rank_page(keys, eligible, limit, offset)
    assert page.tolist() == ranking[offset : offset + limit]


@given(KEYS, st.integers(1, 10))
def test_pages_neither_overlap_nor_skip(keys: NDArray[np.int64], limit: int) -> None:
    eligible = np.ones(len(keys), dtype=np.bool_)
    pages = [rank_page(keys, eligible, limit, offset) for offset in range(0, len(keys) + limit, limit)]
    assert sorted(np.concatenate(pages).tolist()) == list(range(len(keys)))


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_idf_is_the_log_of_the_share_in_fixed_point(active: int, positive: int) -> None:
    weight = idf_weight(active, positive)
    expected = max(0.0, math.log(max(active, 1) / max(positive, 1)))
    assert weight / 2**26 == pytest.approx(expected, abs=2**-27)
    assert 0 <= weight < 2**31


def test_similar_users_media_are_counted_and_summed() -> None:
    found, counts, sums = add_up_media(np.array([4, 1, 4]), np.array([0.5, 2.0, 1.0]), 6)
    assert (found.tolist(), counts.tolist(), sums.tolist()) == ([1, 4], [1, 2], [2.0, 1.5])


def test_media_that_more_similar_users_came_by_tell_more() -> None:
    # Three similar users, of whom two have medium 9: one shares 1 and 2 with the user, the other 2.
    histories = SimilarHistories(np.array([0, 3, 5, 7]), np.array([9, 1, 2, 9, 2, 3, 1]))
    telling = telling_media(np.array([9, 3, 4]), np.array([1, 2, 5]), np.array([7, 7, 7]), histories, 3)
    assert [each.tolist() for each in telling] == [[2, 1], [1], []]


def test_rare_media_tell_more_and_ties_go_to_the_latest() -> None:
    histories = SimilarHistories(np.array([0, 4]), np.array([9, 1, 2, 3]))
    rare = telling_media(np.array([9]), np.array([1, 2, 3]), np.array([1, 5, 2]), histories, 2)
    assert [each.tolist() for each in rare] == [[2, 3]]
    tied = telling_media(np.array([9]), np.array([3, 1, 2]), np.array([4, 4, 4]), histories, 2)
    assert [each.tolist() for each in tied] == [[3, 1]]


def test_media_that_everybody_has_or_that_are_unknown_tell_nothing() -> None:
    histories = SimilarHistories(np.array([0, 3]), np.array([9, 1, -1]))
    assert telling_media(np.array([9]), np.array([1]), np.array([0]), histories, 3)[0].tolist() == []
    none = np.array([], dtype=np.intp)
    assert [each.tolist() for each in telling_media(np.array([9]), none, none, histories, 3)] == [[]]


def test_a_long_history_takes_memory_only_for_what_similar_users_share() -> None:
    """With a column for each medium of the history it would be 50 × 200,000 numbers."""
    rng = np.random.default_rng(5)
    histories = SimilarHistories(np.arange(0, 50 * 200 + 1, 200), rng.integers(0, 300_000, size=50 * 200))
    history = rng.permutation(300_000)[:200_000]
    idf_weights = np.full(len(history), 1 << 26)
    tracemalloc.start()
    try:
        telling = telling_media(histories.media_idx[:100], history, idf_weights, histories, 3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(len(each) for each in telling) > 100
    assert peak < 20e6


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
