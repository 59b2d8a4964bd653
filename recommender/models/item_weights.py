"""What item-based models have in common: weights between items, of which the largest are kept.

The score of an item is the sum of the weights from each item of the user's history to it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recommender.catalogue.index import CatalogueIndex
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.errors import ArtifactError
from recommender.models.base import (
    NO_SCORES,
    Contributions,
    ItemScores,
    ItemSimilarities,
    ScoreExplanation,
    Scores,
    UserContext,
    Window,
    scores_of_floats,
)
from recommender.models.files import load_config, map_arrays, save_arrays, save_config
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.vocabulary import ItemVocabulary

Config = TypeVar("Config", bound="ItemWeightsConfig")

_ARRAY_NAMES = ("item_ids", "source_start", "target_idx", "weights")


class ItemWeights(NamedTuple):
    """Weights between items.

    Those from item s are weights[source_start[s]:source_start[s + 1]], and `target_idx`, parallel and
    ascending, says to which items. `item_ids`: byte strings.
    """

    item_ids: NDArray[np.bytes_]
    source_start: NDArray[np.int64]
    target_idx: NDArray[np.int32]
    weights: NDArray[np.float32]


class TargetWeights(NamedTuple):
    """The weights to one item: parallel, from which items, and how much."""

    source_idx: NDArray[np.int32]
    weights: NDArray[np.float32]


def largest_weights(
    weights: NDArray[np.floating[Any]], source_idx: NDArray[np.integer[Any]], top_k: int
) -> TargetWeights:
    """Return the `top_k` weights that are furthest from 0, without those that are 0; ties by position.

    Args:
        weights, source_idx: parallel, the weights to one item; `source_idx` ascending.
        top_k: how many are kept.
    """
    order = np.argsort(-np.abs(weights), kind="stable")[:top_k]
    order = order[weights[order] != 0.0]
    return TargetWeights(source_idx[order].astype(np.int32), weights[order].astype(np.float32))


def weights_by_source(item_ids: Sequence[str], targets: Iterable[TargetWeights]) -> ItemWeights:
    """Return weights in the order of the items they come from.

    Args:
        item_ids: of all items.
        targets: the weights to each item, in the order of `item_ids`.
    """
    given = list(targets)
    source_idx = np.concatenate([each.source_idx for each in given])
    weights = np.concatenate([each.weights for each in given])
    target_idx = np.repeat(np.arange(len(given), dtype=np.int32), [len(each.weights) for each in given])
    # Stable: the targets of one source stay in order.
    order = np.argsort(source_idx, kind="stable")
    counts = np.bincount(source_idx, minlength=len(item_ids))
    return ItemWeights(
        item_ids=np.array([item_id.encode() for item_id in item_ids], dtype=np.bytes_),
        source_start=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        target_idx=target_idx[order],
        weights=weights[order],
    )


class ItemWeightsConfig(BaseModel):
    """Hyperparameters that all of these models have."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    history: int = Field(default=1_000, ge=1)
    """How many of a user's latest items count. Read when scoring: another number needs no training."""


class ItemWeightsModel(ABC, Generic[Config]):
    """A model that is weights between items; a subclass says how they are learned.

    Serves users it has never seen from their live history, explains a score by the weights it is the sum of,
    and takes the weights from an item for similarities.
    """

    name: str
    config_kind: type[Config]

    def __init__(self, config: Config | None = None) -> None:
        self._config = self.config_kind() if config is None else config
        self.version: str | None = None

    @abstractmethod
    def learn(self, data: Dataset, fitting: Fitting) -> ItemWeights:
        """Return the weights that a dataset gives."""

    @property
    def config(self) -> Config:
        """Its hyperparameters."""
        return self._config

    @property
    def items(self) -> ItemVocabulary:
        """The items it knows."""
        return self._items

    @property
    def sizes(self) -> Mapping[str, int]:
        """Nothing: it keeps neither users nor pairs, and perhaps not every item."""
        return {}

    @abstractmethod
    def estimate(self, data: Dataset) -> Estimate:
        """Return what `learn` takes."""

    def fit(self, data: Dataset, fitting: Fitting = UNBOUNDED) -> None:
        """Learn weights from a dataset."""
        fitting.refuse_beyond(self.name, self.estimate(data).memory_bytes)
        self._use(self.learn(data, fitting))
        fitting.report(1.0)

    def save(self, folder: Path) -> None:
        """Write weights and hyperparameters into a folder."""
        save_arrays(folder, self._weights._asdict())
        save_config(folder, self._config)

    @classmethod
    def load(cls, folder: Path, **overrides: object) -> Self:
        """Return the model that a folder holds, checked."""
        model = cls(load_config(folder, cls.config_kind, overrides))
        weights = ItemWeights(**map_arrays(folder, _ARRAY_NAMES))
        check_weights(weights)
        model._use(weights)
        return model

    def _use(self, weights: ItemWeights) -> None:
        self._weights = weights
        self._items = ItemVocabulary([item_id.decode() for item_id in weights.item_ids.tolist()])

    def score(
        self,
        users: Sequence[UserContext],
        items: CatalogueIndex,
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> Scores:
        """Return the sums of the weights from each user's history."""
        positions = self._items.positions_in(items)
        return [self._score(user, positions) for user in users]

    def _score(self, user: UserContext, positions: NDArray[np.intp]) -> ItemScores:
        history = self._history(user)
        entries, _ = self._entries_from(history)
        if not entries.size:
            return NO_SCORES
        sums: NDArray[np.float64] = np.bincount(
            self._weights.target_idx[entries],
            weights=self._weights.weights[entries],
            minlength=len(self._items),
        ).astype(np.float64, copy=False)
        found = np.flatnonzero((sums > 0.0) & (positions >= 0))
        return scores_of_floats(sums[found], positions[found])

    def explain(
        self,
        user: UserContext,
        scores: ItemScores,  # noqa: ARG002 - they are the sums of what it reads anew
        item_idx: NDArray[np.intp],
        items: CatalogueIndex,
        top_k: int,
    ) -> ScoreExplanation:
        """Return the largest of the weights that each score is the sum of, without those below 0."""
        positions = self._items.positions_in(items)
        history = self._history(user)
        entries, sources = self._entries_from(history)
        targets = positions[self._weights.target_idx[entries]]
        source_idx = positions[history[sources]]
        weights = self._weights.weights[entries].astype(np.float64)
        kept = np.flatnonzero(np.isin(targets, item_idx) & (source_idx >= 0) & (weights > 0.0))
        # Of one target after the other, the largest first; equal ones by the latest of the history.
        kept = kept[np.lexsort((sources[kept], -weights[kept], targets[kept]))]
        bounds = np.searchsorted(targets[kept], item_idx), np.searchsorted(targets[kept], item_idx, "right")
        parts = [kept[first:end][:top_k] for first, end in zip(*bounds, strict=True)]
        return ScoreExplanation([Contributions(source_idx[part], weights[part]) for part in parts])

    def similar_items(
        self,
        item_id: str,
        items: CatalogueIndex,
        window: Window,  # noqa: ARG002 - its window is the one it was trained with
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> ItemSimilarities:
        """Return the weights to the item, those above 0, at most 1: all that are kept of it."""
        entries = np.flatnonzero(self._weights.target_idx == self._items.number_of(item_id))
        sources = np.searchsorted(self._weights.source_start, entries, side="right") - 1
        weights = self._weights.weights[entries].astype(np.float64)
        positions = self._items.positions_in(items)[sources]
        found = (weights > 0.0) & (positions >= 0)
        return ItemSimilarities(positions[found], np.minimum(weights[found], 1.0))

    def _history(self, user: UserContext) -> NDArray[np.int64]:
        """The numbers of the items of a user's history that the model knows, the latest first."""
        numbers = self._items.numbers_of(user.history.positive_ids[: self.config.history])
        return numbers[numbers >= 0]

    def _entries_from(self, history: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Return which weights come from some items, and from which of them each."""
        starts = self._weights.source_start[history]
        sizes = self._weights.source_start[history + 1] - starts
        sources = np.repeat(np.arange(len(history)), sizes)
        first = np.concatenate(([0], np.cumsum(sizes)[:-1])) if len(sizes) else sizes
        return np.arange(int(sizes.sum())) + (starts - first)[sources], sources


def check_weights(weights: ItemWeights) -> None:
    """Refuse arrays that are not weights between items: types, shapes, ranges, order.

    Raises:
        ArtifactError: the message names the array and what is wrong.
    """
    items, entries = weights.item_ids.size, weights.weights.size
    forms: dict[str, tuple[NDArray[Any], type[np.generic], tuple[int, ...]]] = {
        "source_start": (weights.source_start, np.int64, (items + 1,)),
        "target_idx": (weights.target_idx, np.int32, (entries,)),
        "weights": (weights.weights, np.float32, (entries,)),
    }
    if weights.item_ids.dtype.kind != "S" or weights.item_ids.ndim != 1 or not items:
        raise ArtifactError("item_ids: must be a list of byte strings, and not empty")
    for name, (array, dtype, shape) in forms.items():
        if array.dtype != np.dtype(dtype) or array.shape != shape:
            raise ArtifactError(f"{name}: must be {np.dtype(dtype)} of shape {shape}")
    _check_ids(weights.item_ids)
    starts = weights.source_start
    if starts[0] != 0 or starts[-1] != entries or (starts[1:] < starts[:-1]).any():
        raise ArtifactError(f"source_start: must go from 0 to {entries} and not decrease")
    if entries and (weights.target_idx.min() < 0 or weights.target_idx.max() >= items):
        raise ArtifactError(f"target_idx: must be from 0 to below {items}")
    not_later = np.flatnonzero(weights.target_idx[1:] <= weights.target_idx[:-1]) + 1
    if not np.isin(not_later, starts).all():
        raise ArtifactError("target_idx: the targets of a source must be in order, each once")
    if not np.isfinite(weights.weights).all():
        raise ArtifactError("weights: must be finite")


def _check_ids(item_ids: NDArray[np.bytes_]) -> None:
    ids: list[bytes] = item_ids.tolist()
    if len(set(ids)) < len(ids):
        raise ArtifactError("item_ids: must be there once each")
    try:
        b"\n".join(ids).decode()
    except UnicodeDecodeError:
        raise ArtifactError("item_ids: must be UTF-8") from None
