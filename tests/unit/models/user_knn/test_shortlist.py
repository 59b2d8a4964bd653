"""The users who share most with a user."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.models.user_knn.shortlist import Audiences, draw_up_shortlist
from recommender.models.user_knn.similar_users import PositiveItems


def audiences(users_of_items: list[list[int]]) -> Audiences:
    """Return audiences. User n has the id (n, 7), and a number that is in another order."""
    users = np.array([user for own in users_of_items for user in own], dtype=np.uint64)
    start = np.cumsum([0, *map(len, users_of_items)])
    pairs = PositiveItems(start, np.arange(len(users)), np.zeros(len(users)))
    return Audiences(pairs, numbers(users), np.stack([users, np.full_like(users, 7)], axis=1))


def numbers(users: np.typing.NDArray[np.uint64]) -> np.typing.NDArray[np.uint64]:
    return users * np.uint64(0x9E3779B97F4A7C15)


def found(
    users_of_items: list[list[int]],
    weights: list[int],
    own: int | None = None,
    *,
    users_per_item: int = 100,
    length: int = 100,
) -> dict[int, int]:
    """Return overlaps by user."""
    those = audiences(users_of_items)
    shortlist = draw_up_shortlist(
        those,
        np.arange(len(users_of_items)),
        np.array(weights, dtype=np.int64),
        None if own is None else numbers(np.array([own], dtype=np.uint64))[0],
        users_per_item=users_per_item,
        length=length,
    )
    users = those.keys[shortlist.pairs, 0].tolist()
    assert len(set(users)) == len(users)
    return dict(zip(users, shortlist.overlaps.tolist(), strict=True))


def test_overlaps_are_sums_of_the_idf_of_shared_items() -> None:
    assert found([[1, 2], [2, 3], [2]], [10, 5, 1]) == {1: 10, 2: 16, 3: 5}


def test_the_user_is_not_on_the_list_and_leaves_the_place_to_another() -> None:
    assert found([[1, 2, 3, 4]], [10], own=1, users_per_item=2) == {2: 10, 3: 10}
    assert found([[2, 3, 1, 4]], [10], own=1, users_per_item=2) == {2: 10, 3: 10}


def test_of_equal_overlaps_the_smaller_ids_are_on_the_list() -> None:
    assert found([[9, 4, 6, 2], [9]], [10, 1], length=3) == {9: 11, 2: 10, 4: 10}


def test_without_users_the_list_is_empty() -> None:
    assert found([[], [1]], [10, 5], own=1) == {}


USERS = st.lists(st.integers(0, 9), unique=True, max_size=8)


@given(
    st.lists(st.tuples(USERS, st.integers(1, 4)), min_size=1, max_size=6),
    st.none() | st.integers(0, 9),
    st.integers(1, 5),
    st.integers(1, 9),
)
def test_the_list_is_that_of_a_plain_count(
    items: list[tuple[list[int], int]], own: int | None, users_per_item: int, length: int
) -> None:
    overlaps: dict[int, int] = defaultdict(int)
    for users, weight in items:
        for user in [user for user in users if user != own][:users_per_item]:
            overlaps[user] += weight
    ranked = sorted(overlaps.items(), key=lambda pair: (-pair[1], pair[0]))
    lists, weights = [users for users, _ in items], [weight for _, weight in items]
    assert found(lists, weights, own, users_per_item=users_per_item, length=length) == dict(ranked[:length])
