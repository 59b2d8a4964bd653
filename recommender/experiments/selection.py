"""How a user's items are ranked while experiments run."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recommender.entities import INTERLEAVED, Options, VariantName
from recommender.experiments.definitions import NO_CHANGES, Changes, Experiment, Variant
from recommender.models.base import (
    Choice,
    Draft,
    ModelSelector,
    ModelSource,
    Scorer,
    SimilarItems,
    UserContext,
)


class ExperimentModels:
    """Gives each request a selector that knows the experiments, and the models that they name.

    Args:
        experiments: in the order of the file; no two change the same thing.
        main: what answers outside of experiments.
        others: what answers where a variant names a model, by that name.
    """

    def __init__(
        self, experiments: Sequence[Experiment], main: ModelSource, others: Mapping[str, ModelSource]
    ) -> None:
        self._experiments = experiments
        self._main = main
        self._others = others

    def selection(self, options: Options) -> "ExperimentSelection":
        """Return what answers a request that begins now.

        An experiment that changes what the request itself asks for, weights or window, is left out of it.
        """
        asked = {name for name in ("weights", "window_days") if getattr(options, name) is not None}
        return ExperimentSelection(
            experiments=[each for each in self._experiments if not each.changed & asked],
            main=self._main.selection(),
            others={name: source.selection() for name, source in self._others.items()},
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """A user's part in an experiment."""

    experiment: Experiment
    variant: Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSelection:
    """A `ModelSelector` by user: what the variants that a user is in change."""

    experiments: Sequence[Experiment]
    main: ModelSelector
    others: Mapping[str, ModelSelector]

    @property
    def fallback(self) -> Scorer:
        """The model that scores where the one selected fails."""
        return self.main.fallback

    @property
    def similar_items(self) -> SimilarItems:
        """The model that says which items are similar."""
        return self.main.similar_items

    def window_days(self, user_id: str) -> int | None:
        """Return the window that a user's variant sets, if one does."""
        return self._changes(self._parts(user_id)).window_days

    def select(self, user: UserContext) -> Choice:
        """Return how a user's items are ranked; without an id, a user takes part in nothing."""
        parts = self._parts(user.user_id)
        if not parts:
            return self.main.select(user)
        common = self._changes(parts)
        drafted = next((part.experiment for part in parts if part.experiment.is_interleaving), None)
        variants = tuple(_named(part) for part in parts)
        if drafted is None:
            return replace(self._choice(user, common), variants=variants)
        first, second = (self._choice(user, common.also(variant.changes)) for variant in drafted.variants)
        names = (drafted.variants[0].name, drafted.variants[1].name)
        return replace(first, variants=variants, draft=Draft(drafted.name, names, second))

    def _parts(self, user_id: str) -> list[_Part]:
        if not user_id:
            return []
        found = ((each, each.variant_for(user_id)) for each in self.experiments)
        return [_Part(experiment, variant) for experiment, variant in found if variant is not None]

    def _changes(self, parts: Sequence[_Part]) -> Changes:
        """Return what all variants of a user change, save those in a draft."""
        changes = (part.variant.changes for part in parts if not part.experiment.is_interleaving)
        return functools.reduce(Changes.also, changes, NO_CHANGES)

    def _choice(self, user: UserContext, changes: Changes) -> Choice:
        selector = self.main if changes.model is None else self.others[changes.model]
        choice = selector.select(user)
        blend = choice.blend
        if changes.weights is not None:
            blend = replace(blend, weights=changes.weights)
        if changes.content is not None:
            blend = replace(blend, content=changes.content)
        diversity = choice.diversity if changes.diversity is None else changes.diversity
        return replace(choice, blend=blend, diversity=diversity)


def _named(part: _Part) -> VariantName:
    variant = INTERLEAVED if part.experiment.is_interleaving else part.variant.name
    return VariantName(part.experiment.name, variant)
