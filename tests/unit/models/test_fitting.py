"""Training keeps within its memory limit, and reports its progress."""

import pytest

from recommender.errors import TrainingMemoryError
from recommender.models.fitting import Fitting
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
