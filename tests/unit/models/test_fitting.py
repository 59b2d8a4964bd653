"""Training keeps within its memory limit, and reports its progress."""

import tracemalloc

import numpy as np
import pytest

from recommender.data.dataset import Dataset
from recommender.errors import TrainingMemoryError
from recommender.models.fitting import Fitting
from recommender.models.registry import MODELS
from tests.contract.cases import TRAINED, checkerboard, fitted
from tests.support.datasets import dataset

DATA = dataset(checkerboard())


@pytest.mark.parametrize("name", TRAINED)
def test_a_model_that_needs_more_memory_than_it_is_given_is_not_trained(name: str) -> None:
    model = fitted(name, DATA)
    needed = model.estimate(DATA).least_bytes
    assert needed > 0
    with pytest.raises(TrainingMemoryError, match=rf"{name} needs .* TRAINING_MEMORY_MB allows 0"):
        model.fit(DATA, Fitting(memory_bytes=needed - 1))


@pytest.mark.parametrize("name", TRAINED)
def test_training_reports_a_share_that_grows_to_all_of_it(name: str) -> None:
    shares: list[float] = []
    fitted(name, DATA).fit(DATA, Fitting(report=shares.append))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("name", ["content", "item_knn", "popularity", "transitions"])
def test_learning_takes_less_memory_than_estimated_but_not_far_less(name: str) -> None:
    users, items, items_of_user = 2_000, 500, 60
    rng = np.random.default_rng(1)
    data = Dataset(
        user_ids=[f"{user:04}" for user in range(users)],
        item_ids=[f"{item:03}" for item in range(items)],
        user_start=np.arange(users + 1, dtype=np.int64) * items_of_user,
        item_idx=np.concatenate([rng.permutation(items)[:items_of_user] for _ in range(users)]).astype(
            np.int32
        ),
        values=np.ones(users * items_of_user),
        liked=np.ones(users * items_of_user, dtype=np.bool_),
        times=np.zeros(users * items_of_user),
        window_start="-infinity",
    )
    model = MODELS[name].make({})
    model.fit(data)
    tracemalloc.start()
    model.fit(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= model.estimate(data).memory_bytes <= 3 * peak
