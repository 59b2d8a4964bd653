"""Variants to compare: a model with its hyperparameters, weights, and the source of the content score."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recommender.entities import Blend, Content, Weights
from recommender.models.registry import DEFAULT_MODEL, MODELS

# The exact formula of docs/explanation/algorithm.md, with DEFAULT_MODEL.
DEFAULT_WEIGHTS = Weights(0.4, 0.6)
ALONE = Weights(0.0, 1.0)
# The values of CONTENT.
STATED: Content = "stated"
PROFILE: Content = "profile"


@dataclass(frozen=True, slots=True)
class Fit:
    """A model to train: its name, and hyperparameters other than the defaults."""

    model: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The display name: `ease`, or `ease (regularisation=100)`."""
        given = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        return f"{self.model} ({given})" if given else self.model


@dataclass(frozen=True, slots=True)
class RankingVariant:
    """One way of ranking. `fit`: None for popularity."""

    name: str
    fit: Fit | None
    weights: Weights
    content: Content = STATED

    @property
    def blend(self) -> Blend:
        """The blend of the scores."""
        return Blend(self.weights, self.content)


POPULARITY = RankingVariant("windowed popularity", None, Weights(0.0, 0.0))


def name_of(fit: Fit, weights: Weights, content: str = STATED) -> str:
    """Return a variant's name: `ease alone`, `ease 40/60` or `ease 40/60 (profile)`."""
    if not weights.content:
        return f"{fit.label} alone"
    shares = f"{100 * weights.content:g}/{100 * weights.collaborative:g}"
    return f"{fit.label} {shares}" if content == STATED else f"{fit.label} {shares} ({content})"


def variants_of(fit: Fit, weights: Iterable[Weights]) -> list[RankingVariant]:
    """Return a fit in every blend; without a content weight, the content source makes no difference."""
    return [
        RankingVariant(name_of(fit, each, content), fit, each, content)
        for each in weights
        for content in ((STATED, PROFILE) if each.content else (STATED,))
    ]


DEFAULT = RankingVariant(
    name_of(Fit(DEFAULT_MODEL), DEFAULT_WEIGHTS), Fit(DEFAULT_MODEL), DEFAULT_WEIGHTS, STATED
)
# In days, beside popularity without decay.
_HALF_LIVES = (30.0, 7.0)


def compared_variants(models: Iterable[str]) -> list[RankingVariant]:
    """Return windowed popularity, and each model alone and by 40/60; always including the default.

    Popularity is compared with half-lives, too.
    """
    chosen = list(dict.fromkeys(models))
    variants = [POPULARITY]
    for model in chosen or MODELS:
        variants += variants_of(Fit(model), (ALONE, DEFAULT_WEIGHTS))
        if model == "popularity":
            fits = [Fit(model, {"half_life_days": days}) for days in _HALF_LIVES]
            variants += [variant for fit in fits for variant in variants_of(fit, (ALONE,))]
    if DEFAULT not in variants:
        variants.append(DEFAULT)
    return variants
