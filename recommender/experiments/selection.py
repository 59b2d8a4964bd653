"""Select how a user's items are ranked while experiments run."""

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
from recommender.models.names import AUTO, LIVE


class ExperimentModels:
    """Gives each request a selector that applies the experiments.

    Args:
        experiments: in the order of the file; no two change the same thing.
        main: selects the model outside of experiments.
        others: selects the model for a variant that names one, by that name.
    """

    def __init__(
        self, experiments: Sequence[Experiment], main: ModelSource, others: Mapping[str, ModelSource]
    ) -> None:
        self._experiments = experiments
        self._main = main
        self._others = others

    def selection(self, options: Options) -> "ExperimentSelection":
        """Return the selector for a new request.

        Experiments that change weights or window do not apply if the request sets them.
        """
        asked = {name for name in ("weights", "window_days") if getattr(options, name) is not None}
        return ExperimentSelection(
            experiments=[each for each in self._experiments if not each.changed & asked],
            main=self._main.selection(),
            others={name: source.selection() for name, source in self._others.items()},
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """The variant of an experiment that a user is in."""

    experiment: Experiment
    variant: Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSelection:
    """A `ModelSelector` that applies the changes of each user's variants."""

    experiments: Sequence[Experiment]
    main: ModelSelector
    others: Mapping[str, ModelSelector]

    @property
    def fallback(self) -> Scorer:
        """Return the model that scores if the selected one fails."""
        return self.main.fallback

    @property
    def similar_items(self) -> SimilarItems:
        """Return the model for similar items."""
        return self.main.similar_items

    def window_days(self, user_id: str) -> int | None:
        """Return the window in days that a user's variant sets, if any."""
        return self._changes(self._parts(user_id)).window_days

    def select(self, user: UserContext) -> Choice:
        """Return how to rank a user's items. A user without an id is in no experiment."""
        parts = self._parts(user.user_id)
        if not parts:
            return self.main.select(user)
        common = self._changes(parts)
        drafted = next((part.experiment for part in parts if part.experiment.is_interleaving), None)
        variants = tuple(_named(part) for part in parts)
        if drafted is None:
            return replace(self._choice(user, common), variants=variants)
        ours, theirs = (common.also(variant.changes) for variant in drafted.variants)
        draft = Draft(
            drafted.name,
            teams=(drafted.variants[0].name, drafted.variants[1].name),
            second=self._choice(user, theirs),
            models=(_trained_model(ours), _trained_model(theirs)),
        )
        return replace(self._choice(user, ours), variants=variants, draft=draft)

    def _parts(self, user_id: str) -> list[_Part]:
        if not user_id:
            return []
        found = ((each, each.variant_for(user_id)) for each in self.experiments)
        return [_Part(experiment, variant) for experiment, variant in found if variant is not None]

    def _changes(self, parts: Sequence[_Part]) -> Changes:
        """Return the changes of all variants of a user, except interleaved ones."""
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


def _trained_model(changes: Changes) -> str | None:
    return None if changes.model in (AUTO, LIVE) else changes.model


def _named(part: _Part) -> VariantName:
    variant = INTERLEAVED if part.experiment.is_interleaving else part.variant.name
    return VariantName(part.experiment.name, variant)
