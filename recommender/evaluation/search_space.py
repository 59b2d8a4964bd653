"""The search space of `tune` and of the trainer: weights, and the hyperparameters of each model.

A model's config may define its own as a class attribute `search`: lists of values by field name.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from recommender.entities import Blend, Weights
from recommender.evaluation.variants import ALONE, DEFAULT_WEIGHTS, Fit, RankingVariant, name_of, variants_of
from recommender.models.registry import MODELS

# Content from 0 to 0.6, as exact decimals: weights are compared as they are written.
_BLENDS = tuple(Weights(tenths / 10, (10 - tenths) / 10) for tenths in range(7))
# The first blends for every fit.
_FIRST_BLENDS = (ALONE, DEFAULT_WEIGHTS)
# How many of the best fits are then tried in all blends.
BEST_FITS = 3

# For models whose config has no `search`. A model that has neither is tried with its defaults only.
_VALUES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "neighbours": {"similar_users": (50, 100, 200)},
    "item_knn": {"shrinkage": (5.0, 20.0, 100.0)},
    "ease": {"regularisation": (100.0, 200.0, 500.0), "watch_value": (0.5, 0.0)},
    "ease_transitions": {"transitions_share": (0.0, 0.3, 0.5)},
    "als": {"regularisation": (10.0, 30.0, 50.0)},
    "popularity": {"half_life_days": (None, 30.0, 7.0)},
}


def fits_of(model: str) -> Iterator[Fit]:
    """Yield a model with every combination of its values."""
    config = type(MODELS[model].make({}).config)
    values: Mapping[str, Sequence[Any]] = getattr(config, "search", _VALUES.get(model, {}))
    for chosen in product(*values.values()):
        yield Fit(model, dict(zip(values, chosen, strict=True)))


def first_blends(fits: Sequence[Fit], fixed: Blend | None = None) -> list[RankingVariant]:
    """Return fits alone and by 40/60, or only in the fixed blend."""
    if fixed is not None:
        return [in_blend(fit, fixed) for fit in fits]
    return [variant for fit in fits for variant in variants_of(fit, _FIRST_BLENDS)]


def in_blend(fit: Fit, blend: Blend) -> RankingVariant:
    """Return a fit in a blend."""
    return RankingVariant(name_of(fit, blend.weights, blend.content), fit, blend.weights, blend.content)


def further_blends(fit: Fit) -> list[RankingVariant]:
    """Return the other blends of a fit."""
    return variants_of(fit, [weights for weights in _BLENDS if weights not in _FIRST_BLENDS])
