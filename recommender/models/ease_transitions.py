"""ease_transitions: 0.7 of `ease` (taste) and 0.3 of `transitions` (order).

Each part is divided by its largest score of any item in the catalog that the user has not seen.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recommender.catalog.index import CatalogIndex
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.models.base import (
    ItemScores,
    ItemSimilarities,
    ScoreExplanation,
    Scores,
    UserContext,
    Window,
)
from recommender.models.ease import Ease, EaseConfig
from recommender.models.files import load_config, map_arrays, save_arrays, save_config
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.item_weights import (
    ItemWeightsConfig,
    ItemWeightsModel,
    WeightedHistory,
    largest_contributions,
)
from recommender.models.transitions import Transitions, TransitionsConfig
from recommender.models.vocabulary import ItemVocabulary
from recommender.models.weight_arrays import ItemWeights, check_weights
from recommender.models.whole_scores import scores_of_floats

PartConfig = TypeVar("PartConfig", bound=ItemWeightsConfig)
Part = ItemWeightsModel[EaseConfig] | ItemWeightsModel[TransitionsConfig]


class EaseTransitionsConfig(EaseConfig, TransitionsConfig):
    """Hyperparameters of `EaseTransitions`: those of both parts, and their mixture."""

    transitions_share: float = Field(default=0.3, ge=0.0, le=1.0, allow_inf_nan=False)
    """The share of `transitions`, from 0. Read when scoring."""


class _Scored(NamedTuple):
    """One part's scores of a user: its share of the mixture is `factor` times its sums."""

    part: Part
    history: WeightedHistory
    sums: NDArray[np.float64]
    factor: float


class EaseTransitions:
    """Score an item by a mixture of `Ease` and `Transitions`, stored as one artifact."""

    name = "ease_transitions"

    def __init__(self, config: EaseTransitionsConfig | None = None) -> None:
        self._config = config or EaseTransitionsConfig()
        self.version: str | None = None
        self._ease = Ease(_part_of(self._config, EaseConfig))
        self._transitions = Transitions(_part_of(self._config, TransitionsConfig))
        share = self._config.transitions_share
        self._parts: tuple[tuple[Part, float], ...] = (
            (self._ease, 1.0 - share),
            (self._transitions, share),
        )

    @property
    def config(self) -> EaseTransitionsConfig:
        """The hyperparameters."""
        return self._config

    @property
    def items(self) -> ItemVocabulary:
        """The items that the model knows: `transitions` learns all."""
        return self._transitions.items

    @property
    def sizes(self) -> Mapping[str, int]:
        """No counts: the model keeps neither users nor pairs, and possibly not every item."""
        return {}

    def estimate(self, data: Dataset) -> Estimate:
        """Return the time and memory of learning one part after the other."""
        ease, transitions = (part.estimate(data) for part, _ in self._parts)
        kept = self._kept_bytes(data)
        return Estimate(
            ease.seconds + transitions.seconds,
            kept + max(ease.memory_bytes, transitions.memory_bytes),
            kept + max(ease.least_bytes, transitions.least_bytes),
        )

    def fit(self, data: Dataset, fitting: Fitting = UNBOUNDED) -> None:
        """Learn both parts from a dataset."""
        estimate = self.estimate(data)
        fitting.refuse_beyond(self.name, estimate.least_bytes)
        seconds = [part.estimate(data).seconds for part, _ in self._parts]
        shares = (np.cumsum([0.0, *seconds]) / max(sum(seconds), 1e-9)).tolist()
        memory_bytes = fitting.memory_bytes - self._kept_bytes(data)
        for (part, _), first, last in zip(self._parts, shares, shares[1:], strict=False):

            def report(share: float, first: float = first, last: float = last) -> None:
                fitting.report(min(1.0, first + share * (last - first)))

            part.fit(data, Fitting(memory_bytes, report))
        fitting.report(1.0)

    def _kept_bytes(self, data: Dataset) -> int:
        """Return the bytes of the weights of one part, which are kept while the other learns."""
        entry = sum(np.dtype(kind).itemsize for kind in (np.int32, np.float32, np.int64))
        items = len(data.item_ids)
        return entry * items * min(items, max(self._config.weights, self._config.sources))

    def save(self, folder: Path) -> None:
        """Write the weights of both parts and the hyperparameters into a folder."""
        for part, _ in self._parts:
            arrays = part.weights._asdict()
            save_arrays(folder, {f"{part.name}_{name}": array for name, array in arrays.items()})
        save_config(folder, self._config)

    @classmethod
    def load(cls, folder: Path, **overrides: object) -> Self:
        """Return the model that a folder holds, checked and compiled."""
        model = cls(load_config(folder, EaseTransitionsConfig, overrides))
        for part, _ in model._parts:
            names = [f"{part.name}_{name}" for name in ItemWeights._fields]
            weights = ItemWeights(*map_arrays(folder, names).values())
            check_weights(weights)
            part.use(weights)
            part.warm_up()
        return model

    def score(
        self,
        users: Sequence[UserContext],
        items: CatalogIndex,
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> Scores:
        """Return the mixture of both parts' scores, from each user's history."""
        return [self._score(user, items) for user in users]

    def _score(self, user: UserContext, items: CatalogIndex) -> ItemScores:
        # One extra element: unknown items have the index -1.
        mixed = np.zeros(len(items.item_ids) + 1)
        for part, _, sums, factor in self._scored(user, items):
            mixed[part.items.catalog_idx_in(items)] += factor * sums
        found = np.flatnonzero(mixed[:-1] > 0.0)
        return scores_of_floats(mixed[found], found)

    def _scored(self, user: UserContext, items: CatalogIndex) -> list[_Scored]:
        unseen = ~items.mask(user.history.seen_ids)
        scored = []
        for part, share in self._parts:
            history = part.known_history(user, items)
            sums = part.sums(history)
            catalog_idx = part.items.catalog_idx_in(items)
            offered = (catalog_idx >= 0) & unseen[catalog_idx]
            largest = float(sums[offered].max(initial=0.0))
            scored.append(_Scored(part, history, sums, share / largest if largest > 0.0 else 0.0))
        return scored

    def explain(
        self,
        user: UserContext,
        scores: ItemScores,  # noqa: ARG002 - they are the mixture of what it reads anew
        item_idx: NDArray[np.intp],
        items: CatalogIndex,
        top_k: int,
    ) -> ScoreExplanation:
        """Return the largest contributions to the mixture, with their signs."""
        history = user.history.positive_ids[: self._config.history]
        mixed = np.zeros((len(item_idx), len(history)))
        for part, known, _, factor in self._scored(user, items):
            parts = part.parts(known, item_idx, items)
            mixed[:, : parts.shape[1]] += factor * parts
        return ScoreExplanation(largest_contributions(mixed, items.locate(history), top_k))

    def similar_items(
        self,
        item_id: str,
        items: CatalogIndex,
        window: Window,  # noqa: ARG002 - its window is the one it was trained with
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> ItemSimilarities:
        """Return the mixture of both parts' similarities, each divided by its largest; in [0, 1]."""
        mixed = np.zeros(len(items.item_ids))
        for part, share in self._parts:
            item_idx, weights = part.similar_idx(item_id, items)
            mixed[item_idx] += share * weights / weights.max(initial=np.finfo(np.float64).tiny)
        found = np.flatnonzero(mixed)
        return ItemSimilarities(found, np.minimum(mixed[found], 1.0))


def _part_of(config: EaseTransitionsConfig, kind: type[PartConfig]) -> PartConfig:
    """Return the hyperparameters of one part."""
    return kind.model_validate({name: getattr(config, name) for name in kind.model_fields})
