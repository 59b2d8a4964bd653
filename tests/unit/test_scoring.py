"""Properties of the scoring functions, and the numbers of small examples."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from recommender.scoring.collaborative import add_up_media, collaborative_scores
from recommender.scoring.content import content_scores, pack_genres
from recommender.scoring.explanation import SimilarHistories, telling_media
from recommender.scoring.ranking import rank_page, recommendation_scores
from recommender.scoring.similar_media import cosine_similarities, genre_overlaps
from recommender.scoring.similarity import idf_weight

GENRE_SETS = st.lists(st.sets(st.integers(0, 149)).map(sorted), min_size=1, max_size=20)
# Few distinct values, so that ties are the rule.
SCORES = hnp.arrays(
    np.float64, st.integers(0, 40) | st.integers(600, 900), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])
)


@given(GENRE_SETS, st.sets(st.integers(0, 149)).map(sorted), st.integers(0, 5))
def test_content_score_is_the_share_of_stated_genres_that_match(
    media: list[list[int]], user: list[int], unknown: int
) -> None:
    stated = len(user) + unknown
    scores = content_scores(pack_genres(media, 150), pack_genres([user], 150)[0], stated)
    expected = [len(set(genres) & set(user)) / stated if stated else 0.0 for genres in media]
    assert scores.tolist() == expected


@given(
    st.lists(
        st.tuples(
            st.integers(0, 200),
            st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf]),
            st.booleans(),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_collaborative_scores_are_products_over_the_largest_eligible_one(
    candidates: list[tuple[int, float, bool]],
) -> None:
    counts, values, eligible = (np.array(column) for column in zip(*candidates, strict=True))
    scores, max_score = collaborative_scores(
        np.arange(len(candidates)), counts, values.astype(float), eligible
    )
    products = [
        max(0.0, count * value) if may and math.isfinite(count * value) else 0.0
        for count, value, may in candidates
    ]
    best = max(products)
    assert max_score == best
    assert scores.tolist() == [product / best if best > 0 else 0.0 for product in products]
    assert scores.min() >= 0.0
    assert scores.max() in (0.0, 1.0)


def test_what_may_not_be_given_does_not_scale_the_scores() -> None:
    scores, _ = collaborative_scores(
        np.array([2, 0, 1]),
        np.array([10, 1, 2]),
        np.array([9.0, 2.0, 2.0]),
        np.array([True, True, False, True]),
    )
    assert scores.tolist() == [0.5, 1.0, 0.0, 0.0]


def test_without_candidates_every_collaborative_score_is_zero() -> None:
    none = np.array([], dtype=np.intp)
    scores, max_score = collaborative_scores(none, none, none.astype(float), np.array([True, False]))
    assert (scores.tolist(), max_score) == ([0, 0], 0)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_recommendation_score_is_the_weighted_sum(content: float, collaborative: float) -> None:
    score = recommendation_scores(np.array([content]), np.array([collaborative]), 0.4, 0.6)[0]
    assert score == 0.4 * content + 0.6 * collaborative


@given(SCORES, st.data(), st.integers(1, 50), st.integers(0, 50))
def test_a_page_is_a_slice_of_the_ranking_by_score_then_position(
    scores: NDArray[np.float64], data: st.DataObject, limit: int, offset: int
) -> None:
    eligible = data.draw(hnp.arrays(np.bool_, len(scores)))
    ranking = sorted(np.flatnonzero(eligible).tolist(), key=lambda idx: (-scores[idx], idx))
    page = rank_page(scores, eligible, limit, offset)
    assert page.tolist() == ranking[offset : offset + limit]


@given(SCORES, st.integers(1, 10))
def test_pages_neither_overlap_nor_skip(scores: NDArray[np.float64], limit: int) -> None:
    eligible = np.ones(len(scores), dtype=np.bool_)
    pages = [rank_page(scores, eligible, limit, offset) for offset in range(0, len(scores) + limit, limit)]
    assert sorted(np.concatenate(pages).tolist()) == list(range(len(scores)))


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


def test_cosines_of_users_read_whole_and_in_part() -> None:
    shared, users = np.array([4, 1, 0]), np.array([4, 16, 9])
    whole = cosine_similarities(shared, users, all_users=4, read_users=4)
    assert whole.tolist() == [1.0, 1 / 8, 0.0]
    # Half of the users were read: what they share stands for the others.
    half = cosine_similarities(np.array([1]), np.array([4]), all_users=4, read_users=2)
    assert half.tolist() == [0.5]
    assert cosine_similarities(shared, users, all_users=0, read_users=0).tolist() == [0, 0, 0]


def test_genre_overlaps_are_shares_of_the_genres_of_either() -> None:
    masks = pack_genres([[0, 1], [1, 2], [70], []], 80)
    assert genre_overlaps(masks, masks[0]).tolist() == [1.0, 1 / 3, 0.0, 0.0]
    assert genre_overlaps(masks, masks[3]).tolist() == [0.0] * 4
