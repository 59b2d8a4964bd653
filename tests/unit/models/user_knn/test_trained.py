"""The compiled search finds the users of the definition, on both sides of each of its thresholds."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.catalog.index import build_index
from recommender.catalog.popularity import UNKNOWN_POPULARITY
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.models.files import Arrays
from recommender.models.user_knn import trained
from recommender.models.user_knn.build import build_arrays
from recommender.models.user_knn.similarity import DAMPING
from recommender.models.user_knn.trained import UserKnn, UserKnnConfig
from tests.support.datasets import context, dataset

USERS, MEDIA = 9_000, 300


@pytest.fixture(scope="module")
def histories() -> list[NDArray[np.int64]]:
    """Long-tailed: some items have all users, some hardly any. User 0 has nearly all items."""
    rng = np.random.default_rng(3)
    odds = np.linspace(0.5, 0.0, MEDIA) ** 3
    has = rng.random((USERS, MEDIA)) < odds * rng.lognormal(0.0, 0.7, size=(USERS, 1))
    has[0] = rng.random(MEDIA) < 0.95
    return [np.flatnonzero(row) for row in has if row.any()]


@pytest.fixture(scope="module")
def arrays(histories: list[NDArray[np.int64]]) -> Arrays:
    return build_arrays(data_of(histories))


def data_of(histories: list[NDArray[np.int64]]) -> Dataset:
    return dataset({f"{user:06}": [f"{item:04}" for item in items] for user, items in enumerate(histories)})


@pytest.fixture(scope="module")
def model(histories: list[NDArray[np.int64]]) -> UserKnn:
    return fitted(histories, 50)


def fitted(histories: list[NDArray[np.int64]], similar_users: int) -> UserKnn:
    model = UserKnn(UserKnnConfig(similar_users=similar_users))
    model.fit(data_of(histories))
    return model


def most_similar(arrays: Arrays, user: int, top_k: int) -> list[int]:
    """Return the most similar users by the definition, over whole matrices."""
    has = np.zeros((len(arrays["user_ids"]), len(arrays["media_ids"])), dtype=np.int64)
    owners = np.repeat(np.arange(len(has)), np.diff(arrays["user_start"]))
    has[owners, arrays["media_of_user"]] = 1
    overlaps = has @ (has[user] * arrays["idf_weights"].astype(np.int64))
    similarities = overlaps / np.sqrt(has.sum(axis=1) + DAMPING)
    similarities[user] = 0.0
    order = np.lexsort((np.arange(len(has)), -similarities))[:top_k]
    return [int(other) for other in order if similarities[other] > 0]


def found(model: UserKnn, arrays: Arrays, user: int) -> list[int]:
    history = arrays["media_of_user"][arrays["user_start"][user] : arrays["user_start"][user + 1]]
    similar = model._similar(history.astype(np.int64), user)  # noqa: SLF001 - the part of it under test
    return [int(other) for other in similar]


def test_a_user_with_a_longer_id_than_all_others_is_looked_up_without_a_copy_of_the_ids() -> None:
    model = UserKnn(UserKnnConfig())
    model.fit(dataset({f"{user:06}": ["item"] for user in range(20_000)}))
    index = build_index([], UNKNOWN_POPULARITY)

    def peak_of(user: str) -> int:
        model.score([context(user, ["item"])], index, Deadline.after(60.0))
        tracemalloc.start()
        try:
            model.score([context(user, ["item"])], index, Deadline.after(60.0))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Without a compiler, the scores themselves take more than the ids.
    assert peak_of("1000000") < peak_of("100000") + 6 * 20_000


def test_popular_items_have_bits_and_rare_ones_do_not(arrays: Arrays) -> None:
    rows = arrays["bits_row"]
    sizes = np.diff(arrays["media_start"])
    assert 0 < (rows >= 0).sum() < len(rows)
    assert sizes[rows >= 0].min() > sizes[rows < 0].max()
    for item in np.flatnonzero(rows >= 0):
        assert np.bitwise_count(arrays["user_bits"][rows[item]]).sum() == sizes[item]


@pytest.mark.parametrize("user", [0, 1, 17, 4_000, 8_100])
def test_the_most_similar_users_are_those_of_the_definition(
    model: UserKnn, arrays: Arrays, user: int
) -> None:
    assert found(model, arrays, user) == most_similar(arrays, user, 50)


def test_long_histories_are_added_up_in_more_bits(
    model: UserKnn, arrays: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained, "_LONG_HISTORY", 10)
    assert found(model, arrays, 0) == most_similar(arrays, 0, 50)


def test_a_history_of_items_that_all_users_have_finds_no_similar_users(model: UserKnn) -> None:
    assert model._similar(np.empty(0, dtype=np.int64), -1).tolist() == []  # noqa: SLF001


def test_a_replaced_catalog_index_is_freed(model: UserKnn) -> None:
    index = build_index([], UNKNOWN_POPULARITY)
    model.score([context("u", [])], index, Deadline.after(1.0))
    alive = weakref.ref(index)
    del index
    gc.collect()
    assert alive() is None


def test_k_may_exceed_the_number_of_users(histories: list[NDArray[np.int64]], arrays: Arrays) -> None:
    greedy = fitted(histories, 2_000_000_000)
    assert found(greedy, arrays, 5) == most_similar(arrays, 5, len(arrays["user_ids"]))
