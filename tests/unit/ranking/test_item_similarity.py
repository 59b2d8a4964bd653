"""The similarity of items by their users and by their genres."""

import numpy as np

from recommender.ranking.genre_matching import pack_genres
from recommender.ranking.item_similarity import cosine_similarities, genre_overlaps


def test_cosines_of_users_read_whole_and_in_part() -> None:
    shared, users = np.array([4, 1, 0]), np.array([4, 16, 9])
    whole = cosine_similarities(shared, users, all_users=4, read_users=4)
    assert whole.tolist() == [1.0, 1 / 8, 0.0]
    # Half of the users were read. The others are assumed to share as much.
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
