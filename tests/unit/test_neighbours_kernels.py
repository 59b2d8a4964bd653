"""The compiled search finds whom the definition finds, on either side of every threshold in it."""

import gc
import weakref

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.catalogue.index import UNKNOWN_POPULARITY, build_index
from recommender.databases.engagement_db import PositiveHistory
from recommender.deadline import Deadline
from recommender.models import neighbours
from recommender.models.artefact import Arrays, Artefact, Metadata
from recommender.models.neighbours import NeighboursModel
from recommender.models.neighbours_arrays import build_arrays
from recommender.scoring.similarity import DAMPING

USERS, MEDIA = 9_000, 300


@pytest.fixture(scope="module")
def histories() -> list[NDArray[np.int64]]:
    """Long-tailed: some media are everybody's, some hardly anybody's; user 0 has nearly all."""
    rng = np.random.default_rng(3)
    odds = np.linspace(0.5, 0.0, MEDIA) ** 3
    has = rng.random((USERS, MEDIA)) < odds * rng.lognormal(0.0, 0.7, size=(USERS, 1))
    has[0] = rng.random(MEDIA) < 0.95
    return [np.flatnonzero(row) for row in has if row.any()]


@pytest.fixture(scope="module")
def arrays(histories: list[NDArray[np.int64]]) -> Arrays:
    return build_arrays(
        PositiveHistory(f"{user:06}", [f"{medium:04}" for medium in media], np.ones(len(media)))
        for user, media in enumerate(histories)
    )


@pytest.fixture
def model(arrays: Arrays) -> NeighboursModel:
    metadata = Metadata("neighbours", "v", "2026-01-01T00:00:00+00:00", "", {}, {}, {})
    return NeighboursModel(Artefact(metadata, arrays), similar_users=50)


def most_similar(arrays: Arrays, user: int, top_k: int) -> list[int]:
    """By the definition, over whole matrices."""
    has = np.zeros((len(arrays["user_ids"]), len(arrays["media_ids"])), dtype=np.int64)
    owners = np.repeat(np.arange(len(has)), np.diff(arrays["user_start"]))
    has[owners, arrays["media_of_user"]] = 1
    overlaps = has @ (has[user] * arrays["idf_weights"].astype(np.int64))
    similarities = overlaps / np.sqrt(has.sum(axis=1) + DAMPING)
    similarities[user] = 0.0
    order = np.lexsort((np.arange(len(has)), -similarities))[:top_k]
    return [int(other) for other in order if similarities[other] > 0]


def found(model: NeighboursModel, arrays: Arrays, user: int) -> list[int]:
    history = arrays["media_of_user"][arrays["user_start"][user] : arrays["user_start"][user + 1]]
    similar = model._similar(history.astype(np.int64), user)  # noqa: SLF001 - the part of it under test
    return [int(other) for other in similar]


def test_popular_media_have_bits_and_rare_ones_do_not(arrays: Arrays) -> None:
    rows = arrays["bits_row"]
    sizes = np.diff(arrays["media_start"])
    assert 0 < (rows >= 0).sum() < len(rows)
    assert sizes[rows >= 0].min() > sizes[rows < 0].max()
    for medium in np.flatnonzero(rows >= 0):
        assert np.bitwise_count(arrays["user_bits"][rows[medium]]).sum() == sizes[medium]


@pytest.mark.parametrize("user", [0, 1, 17, 4_000, 8_100])
def test_the_most_similar_users_are_those_of_the_definition(
    model: NeighboursModel, arrays: Arrays, user: int
) -> None:
    assert found(model, arrays, user) == most_similar(arrays, user, 50)


def test_long_histories_are_added_up_in_more_bits(
    model: NeighboursModel, arrays: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_LONG_HISTORY", 10)
    assert found(model, arrays, 0) == most_similar(arrays, 0, 50)


def test_a_history_of_what_everybody_has_makes_nobody_similar(model: NeighboursModel) -> None:
    assert model._similar(np.empty(0, dtype=np.int64), -1).tolist() == []  # noqa: SLF001


def test_a_catalogue_index_that_was_replaced_is_let_go_of(model: NeighboursModel) -> None:
    index = build_index([], UNKNOWN_POPULARITY)
    model.find_candidates({}, index, "-infinity", Deadline.after(1.0))
    alive = weakref.ref(index)
    del index
    gc.collect()
    assert alive() is None


def test_as_many_similar_users_as_there_are_may_be_asked_for_and_more(arrays: Arrays) -> None:
    metadata = Metadata("neighbours", "v", "2026-01-01T00:00:00+00:00", "", {}, {}, {})
    greedy = NeighboursModel(Artefact(metadata, arrays), similar_users=2_000_000_000)
    assert found(greedy, arrays, 5) == most_similar(arrays, 5, len(arrays["user_ids"]))
