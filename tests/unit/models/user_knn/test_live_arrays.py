"""An exact search reads every user who is among the most similar, and few of the others."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.databases.engagement_db import InteractionLists
from recommender.models.user_knn.live_arrays import (
    Candidates,
    Overlaps,
    ReadUsers,
    first_to_read,
    left_to_read,
)
from recommender.models.user_knn.similar_users import DISLIKE, LIKE
from tests.support.datasets import dataset, index_of

_ITEMS = 300
_TOP_K = 20


@pytest.fixture(scope="module")
def index() -> CatalogIndex:
    return index_of(dataset({"a": ["item"]}))


class _Data:
    """Some users' positive items, and rows of them that also hold likes which dislikes cancelled."""

    def __init__(self, users: int, asked: int) -> None:
        generator = np.random.default_rng(users)
        self.positive = generator.random((users, _ITEMS)) < generator.uniform(0.01, 0.4, (users, 1))
        self.cancelled = (generator.random((users, _ITEMS)) < 0.1) & ~self.positive
        # Few numbers, so that there are ties.
        self.idf = generator.integers(1, 5, _ITEMS)
        self.histories = generator.random((asked, _ITEMS)) < 0.1
        self.candidates = Candidates(
            [user.to_bytes(16, "big") for user in range(users)],
            [self._overlaps(own) for own in self.histories],
        )

    def _overlaps(self, history: NDArray[np.bool_]) -> Overlaps:
        shared = self.positive & history
        user_idx = np.flatnonzero(shared.any(axis=1))
        return Overlaps(user_idx, (shared @ self.idf)[user_idx], shared.sum(axis=1)[user_idx])

    def read(self, user_idx: NDArray[np.intp]) -> ReadUsers:
        """Return what the statement would return about some users; dislikes cancel earlier likes."""
        items, kinds, sizes = [], [], []
        for user in user_idx.tolist():
            cancelled = np.flatnonzero(self.cancelled[user])
            own = np.concatenate((cancelled, np.flatnonzero(self.positive[user]), cancelled))
            items.append(own)
            kinds.append(np.where(np.arange(len(own)) < len(cancelled), DISLIKE, LIKE))
            sizes.append(len(own))
        each = np.concatenate(items)
        return ReadUsers(
            user_idx,
            InteractionLists(
                sizes=np.array(sizes),
                keys=b"".join(item.to_bytes(16, "big") for item in each.tolist()),
                times=np.arange(len(each), 0, -1),
                kinds=np.concatenate(kinds).astype(np.uint8),
                values=np.ones(len(each)),
            ),
        )

    def most_similar(self, history: NDArray[np.bool_]) -> list[int]:
        """Return the most similar users of a user by exact arithmetic; of equal ones, the first."""
        overlaps = (self.positive & history) @ self.idf
        squares = [
            Fraction(int(overlap) ** 2, int(size) + 10)
            for overlap, size in zip(overlaps, self.positive.sum(axis=1), strict=True)
        ]
        ranked = sorted(np.flatnonzero(overlaps).tolist(), key=lambda user: (-squares[user], user))
        return ranked[:_TOP_K]


@pytest.mark.parametrize("asked", [1, 3])
def test_all_of_the_most_similar_users_are_read_and_few_others(index: CatalogIndex, asked: int) -> None:
    data = _Data(3_000, asked)
    # The last of several shares nothing with anyone.
    data.histories[1:][-1:] = False
    first = first_to_read(data.candidates, _TOP_K)
    left = left_to_read(data.candidates, data.read(first), index, _TOP_K)
    assert not set(first) & set(left)
    read = {*first.tolist(), *left.tolist()}
    for history in data.histories:
        assert set(data.most_similar(history)) <= read
    assert len(read) < 2_000


def test_a_user_who_may_be_as_similar_as_the_last_one_is_read(index: CatalogIndex) -> None:
    # The last of the candidates has nothing but the shared items, and a smaller overlap than the others.
    data = _Data(600, 1)
    data.positive[:], data.cancelled[:], data.histories[:] = False, False, False
    data.histories[0, :10] = True
    data.idf[:] = 10
    data.positive[:599, :150] = True
    data.positive[599, 3:10] = True
    candidates = data.candidates
    first = first_to_read(candidates, _TOP_K)
    assert 599 not in first
    # 100 / sqrt(150 + 10) is less than 70 / sqrt(7 + 10).
    assert 599 in left_to_read(candidates, data.read(first), index, _TOP_K)
    assert data.most_similar(data.histories[0])[0] == 599


def test_everyone_is_read_while_too_few_of_those_read_are_similar(index: CatalogIndex) -> None:
    data = _Data(1_000, 1)
    first = first_to_read(data.candidates, _TOP_K)
    left = left_to_read(data.candidates, data.read(first), index, len(first) + 1)
    assert len(first) + len(left) == len(data.candidates.overlaps[0].user_idx)


def test_few_users_are_read_at_once(index: CatalogIndex) -> None:
    data = _Data(500, 2)
    first = first_to_read(data.candidates, _TOP_K)
    assert first.tolist() == list(range(500))
    assert left_to_read(data.candidates, data.read(first), index, _TOP_K).tolist() == []
