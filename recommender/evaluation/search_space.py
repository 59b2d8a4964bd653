"""What `tune` tries: weights, and the hyperparameters of each model.

A model's config may say what to try of its fields itself, as a class attribute `search`: names with values.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from recommender.entities import Weights
from recommender.evaluation.variants import Fit, Variant, variants_of
from recommender.models.registry import MODELS

# Content from 0 to 0.6, as exact decimals: weights are compared as they are written.
BLENDS = tuple(Weights(tenths / 10, (10 - tenths) / 10) for tenths in range(7))

# Of models whose config does not say; a model that is in neither has nothing to try but weights.
_VALUES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "neighbours": {"similar_users": (50, 100, 200)},
    "item_knn": {"shrinkage": (5.0, 20.0, 100.0)},
    "ease": {"regularisation": (100.0, 200.0, 500.0)},
}


def fits_of(model: str) -> Iterator[Fit]:
    """Yield a model with every combination of the values that are tried."""
    config = type(MODELS[model].make({}).config)
    values: Mapping[str, Sequence[Any]] = getattr(config, "search", _VALUES.get(model, {}))
    for chosen in product(*values.values()):
        yield Fit(model, dict(zip(values, chosen, strict=True)))


def candidates(models: Sequence[str]) -> list[Variant]:
    """Return every variant that is tried of some models, or of all that are registered."""
    return [
        variant
        for model in models or tuple(MODELS)
        for fit in fits_of(model)
        for variant in variants_of(fit, BLENDS)
    ]
