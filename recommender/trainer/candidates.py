"""Choose the models that a training run tries: those that suit the size of the data."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from recommender.data.dataset import Dataset
from recommender.evaluation.search_space import fits_of
from recommender.evaluation.variants import Fit
from recommender.models.registry import MODELS

# The time limit for learning all models, by their own estimates.
SEARCH_S = 900.0
# With fewer, what users have in common is chance: only the models in `_SIMPLE` are tried.
LEAST_USERS, LEAST_PAIRS = 50, 500
_SIMPLE = ("popularity", "content", "neighbours")

Pinned = Mapping[str, Mapping[str, Any]]


class Suited(NamedTuple):
    """The fits to try. `left_out`: other models, and why they are not tried."""

    fits: list[Fit]
    left_out: Mapping[str, str]


def suited_fits(data: Dataset, memory_bytes: int, pinned: Pinned, search_s: float = SEARCH_S) -> Suited:
    """Return the fits that suit the size of a dataset, the quickest first.

    A model is left out if it is not one of `_SIMPLE` and the dataset is very small, if it needs more memory
    than allowed, if a package is missing, or if learning it once takes longer than the remaining time. It is
    tried with its default hyperparameters only if all combinations take too long.

    Args:
        data: the dataset.
        memory_bytes: how much memory a model may take, in addition to the data.
        pinned: hyperparameters that the settings fix, by model.
        search_s: how many seconds learning may take in all.
    """
    estimates = {name: MODELS[name].make({}).estimate(data) for name in MODELS}
    is_small = len(data.user_ids) < LEAST_USERS or len(data.item_idx) < LEAST_PAIRS
    fits: list[Fit] = []
    left_out: dict[str, str] = {}
    left_s = search_s
    for name, estimate in sorted(estimates.items(), key=lambda each: each[1].seconds):
        missing = MODELS[name].missing_package()
        if missing is not None:
            left_out[name] = missing
        elif is_small and name not in _SIMPLE:
            left_out[name] = f"there are fewer than {LEAST_USERS} users or {LEAST_PAIRS} pairs"
        elif estimate.least_bytes > memory_bytes:
            left_out[name] = f"it needs {estimate.least_bytes >> 20:,} MB of memory"
        elif estimate.seconds > left_s:
            left_out[name] = f"it takes about {estimate.seconds:,.0f} s to learn"
        else:
            tried = _distinct(pinned_fit(fit.model, fit.hyperparameters, pinned) for fit in fits_of(name))
            if len(tried) * estimate.seconds > left_s:
                tried = [pinned_fit(name, {}, pinned)]
            fits += tried
            left_s -= len(tried) * estimate.seconds
    return Suited(fits, left_out)


def pinned_fit(model: str, hyperparameters: Mapping[str, Any], pinned: Pinned) -> Fit:
    """Return a fit with the pinned hyperparameters, which names only those that differ from the defaults.

    If the model lacks one of `hyperparameters`, as after a change of this program, none of them is used.
    """
    own_pinned = pinned.get(model, {})
    default = _config_of(model, {})
    try:
        chosen = _config_of(model, {**hyperparameters, **own_pinned})
    except ValidationError:
        chosen = _config_of(model, own_pinned)
    return Fit(model, {name: value for name, value in chosen.items() if value != default[name]})


def _config_of(model: str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    return MODELS[model].make(hyperparameters).config.model_dump(mode="json")


def _distinct(fits: Iterable[Fit]) -> list[Fit]:
    """Return each fit once: a fixed hyperparameter makes some of them equal."""
    return list({repr(fit): fit for fit in fits}.values())
