"""The candidates suit the size of the data, the memory and the time."""

import pytest

from recommender.data.dataset import Dataset
from recommender.evaluation.variants import Fit
from recommender.models.registry import MODELS
from recommender.trainer.candidates import pinned_fit, suited_fits
from tests.support.datasets import dataset

GENEROUS = 1 << 40


def data_of(users: int) -> Dataset:
    return dataset({f"{user:04}": [f"{(user * 3 + n) % 40:04}" for n in range(12)] for user in range(users)})


def models_of(fits: list[Fit]) -> set[str]:
    return {fit.model for fit in fits}


def test_all_suitable_models_are_tried() -> None:
    suited = suited_fits(data_of(100), GENEROUS, {})
    assert models_of(suited.fits) == set(MODELS)
    assert not suited.left_out


def test_models_that_need_much_data_are_left_out_if_there_is_little() -> None:
    few_pairs = dataset({f"{user:04}": [f"{user % 9}", "a"] for user in range(60)})
    for data in (data_of(49), few_pairs):
        suited = suited_fits(data, GENEROUS, {})
        assert models_of(suited.fits) == {"popularity", "content", "neighbours"}
        assert set(suited.left_out) == set(MODELS) - models_of(suited.fits)


def test_a_model_that_needs_more_memory_is_left_out_with_the_reason() -> None:
    data = data_of(100)
    estimates = {name: MODELS[name].make({}).estimate(data).least_bytes for name in MODELS}
    largest = max(estimates, key=lambda name: estimates[name])
    suited = suited_fits(data, estimates[largest] - 1, {})
    assert largest not in models_of(suited.fits)
    assert "memory" in suited.left_out[largest]


def test_if_time_is_short_a_model_is_tried_once_or_not_at_all() -> None:
    data = data_of(100)
    estimates = {name: MODELS[name].make({}).estimate(data).seconds for name in MODELS}
    slowest = max(estimates, key=lambda name: estimates[name])
    quickest = min(estimates, key=lambda name: estimates[name])
    short = suited_fits(data, GENEROUS, {}, search_s=estimates[slowest] * 0.9)
    assert slowest not in models_of(short.fits)
    assert "to learn" in short.left_out[slowest]
    once = suited_fits(data, GENEROUS, {}, search_s=estimates[quickest] * 1.5)
    assert once.fits == [Fit(quickest)]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9])
def test_all_fits_together_take_no_longer_than_the_time_limit(share: float) -> None:
    data = data_of(100)

    def seconds(fits: list[Fit]) -> float:
        return sum(MODELS[fit.model].make({}).estimate(data).seconds for fit in fits)

    limit_s = share * seconds(suited_fits(data, GENEROUS, {}).fits)
    found = suited_fits(data, GENEROUS, {}, search_s=limit_s).fits
    assert 0.0 < seconds(found) <= limit_s * (1 + 1e-9)


def test_a_fit_names_hyperparameters_that_differ_from_their_defaults() -> None:
    default = MODELS["neighbours"].make({}).config.model_dump()
    assert pinned_fit("neighbours", default, {}) == Fit("neighbours")
    assert pinned_fit("neighbours", {"similar_users": 7}, {}) == Fit("neighbours", {"similar_users": 7})


def test_a_hyperparameter_that_is_set_is_not_searched() -> None:
    suited = suited_fits(data_of(100), GENEROUS, {"neighbours": {"similar_users": 7}})
    tried = [fit for fit in suited.fits if fit.model == "neighbours"]
    assert tried == [Fit("neighbours", {"similar_users": 7})]


def test_a_version_with_hyperparameters_that_are_not_known_has_the_defaults() -> None:
    assert pinned_fit("ease", {"of_another_version": 3}, {}) == Fit("ease")
