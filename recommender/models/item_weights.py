"""What item-based models have in common: weights between items, of which the largest are kept.

The score of an item is the sum of the weights from each item of the user's history to it, each times how much
that item of the history counts.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recommender.catalog.index import CatalogIndex
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.models.base import (
    Contributions,
    ItemScores,
    ItemSimilarities,
    ScoreExplanation,
    Scores,
    UserContext,
    Window,
)
from recommender.models.configured import ConfiguredModel
from recommender.models.files import load_config, map_arrays, save_arrays, save_config
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.vocabulary import ItemVocabulary
from recommender.models.weight_arrays import ItemWeights, add_weights, check_weights
from recommender.models.whole_scores import scores_of_sums
from recommender.texts.id_table import IdTexts

Config = TypeVar("Config", bound="ItemWeightsConfig")


class ItemWeightsConfig(BaseModel):
    """Hyperparameters that all of these models have."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    history: int = Field(default=1_000, ge=1)
    """How many of a user's latest items count. Read when scoring: another number needs no training."""


class WeightedHistory(NamedTuple):
    """The items of a user's history that a model knows, the latest first; parallel arrays.

    `ranks`: which items of the history, from 0. `model_idx`: their indices in the arrays of the model.
    `weights`: how much each counts.
    """

    ranks: NDArray[np.intp]
    model_idx: NDArray[np.int64]
    weights: NDArray[np.float64]


class ItemWeightsModel(ConfiguredModel[Config], ABC):
    """A model that is weights between items; a subclass says how they are learned.

    Serves users it has never seen from their live history, explains a score by its summands,
    and uses the weights to an item as similarities.
    """

    @abstractmethod
    def learn(self, data: Dataset, fitting: Fitting) -> ItemWeights:
        """Return the weights that a dataset gives."""

    def history_weights(
        self,
        ranks: NDArray[np.intp],  # noqa: ARG002 - subclasses may use them
        liked: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Return the weight of each known item of a history, the latest first: here, 1 for all.

        Args:
            ranks: of the items in the whole history, from 0 for the latest.
            liked: parallel, whether there is a like among the interactions with it, and not only watches.
        """
        return np.ones(len(liked))

    def similar_weights(self, model_idx: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the indices of items that are similar to one, and how much: here, the weights to it."""
        return self._weights.of_target(model_idx)

    @property
    def weights(self) -> ItemWeights:
        """The learned weights."""
        return self._weights

    @property
    def sizes(self) -> Mapping[str, int]:
        """Nothing: it keeps neither users nor pairs, and perhaps not every item."""
        return {}

    @abstractmethod
    def estimate(self, data: Dataset) -> Estimate:
        """Return what `learn` takes."""

    def fit(self, data: Dataset, fitting: Fitting = UNBOUNDED) -> None:
        """Learn weights from a dataset."""
        fitting.refuse_beyond(self.name, self.estimate(data).least_bytes)
        self.use(self.learn(data, fitting))
        fitting.report(1.0)

    def save(self, folder: Path) -> None:
        """Write weights and hyperparameters into a folder."""
        save_arrays(folder, self._weights._asdict())
        save_config(folder, self._config)

    @classmethod
    def load(cls, folder: Path, **overrides: object) -> Self:
        """Return the model that a folder holds, checked and compiled."""
        model = cls(load_config(folder, cls.config_kind, overrides))
        weights = ItemWeights(**map_arrays(folder, ItemWeights._fields))
        check_weights(weights)
        model.use(weights)
        model.warm_up()
        return model

    def use(self, weights: ItemWeights) -> None:
        """Use these weights, which are valid, from now on."""
        self._weights = weights
        self._items = ItemVocabulary(IdTexts.of_byte_strings(weights.item_ids))

    def warm_up(self) -> None:
        """Compile what scores, before a request has to wait for it."""
        first = WeightedHistory(np.zeros(1, dtype=np.intp), np.zeros(1, dtype=np.int64), np.ones(1))
        scores_of_sums(self.sums(first), np.zeros(len(self._items), dtype=np.intp))

    def score(
        self,
        users: Sequence[UserContext],
        items: CatalogIndex,
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> Scores:
        """Return the weighted sums of the weights from each user's history."""
        catalog_idx = self._items.catalog_idx_in(items)
        return [scores_of_sums(self.sums(self.known_history(user, items)), catalog_idx) for user in users]

    def sums(self, history: WeightedHistory) -> NDArray[np.float64]:
        """Return the score of each item it knows, with its sign; shape (items,)."""
        sums = np.zeros(len(self._items))
        weights = self._weights
        counted = history.model_idx, history.weights
        add_weights(sums, counted, weights.source_start, weights.target_idx, weights.weights)
        return sums

    def known_history(self, user: UserContext, items: CatalogIndex) -> WeightedHistory:
        """Return what counts of a user's history."""
        most = self.config.history
        found = user.located_in(items).positive_idx[:most]
        model_idx = self._items.indices_of_history(items, user.history.positive_ids, found)
        ranks = np.flatnonzero(model_idx >= 0)
        liked = np.asarray(user.history.positive_liked[:most], dtype=np.bool_)[ranks]
        return WeightedHistory(ranks, model_idx[ranks], self.history_weights(ranks, liked))

    def explain(
        self,
        user: UserContext,
        scores: ItemScores,  # noqa: ARG002 - they are the sums of what it reads anew
        item_idx: NDArray[np.intp],
        items: CatalogIndex,
        top_k: int,
    ) -> ScoreExplanation:
        """Return the largest of the products that each score is the sum of, with their signs."""
        history = self.known_history(user, items)
        parts = self.parts(history, item_idx, items)
        own_idx = self._items.catalog_idx_in(items)[history.model_idx]
        return ScoreExplanation(largest_contributions(parts[:, history.ranks], own_idx, top_k))

    def parts(
        self, history: WeightedHistory, item_idx: NDArray[np.intp], items: CatalogIndex
    ) -> NDArray[np.float64]:
        """Return what each item of a history adds to the scores of some items, with its sign.

        Shape (len(item_idx), largest rank in the history + 1).
        """
        row_of = np.full(len(self._items), -1, dtype=np.intp)
        row_of[history.model_idx] = np.arange(len(history.model_idx))
        parts = np.zeros((len(item_idx), int(history.ranks.max(initial=-1)) + 1))
        target_idx = self._items.indices_of([items.item_ids[idx] for idx in item_idx.tolist()])
        for row, model_idx in enumerate(target_idx.tolist()):
            if model_idx >= 0:
                sources, weights = self._weights.of_target(model_idx)
                rows = row_of[sources]
                known = rows >= 0
                own = rows[known]
                parts[row, history.ranks[own]] = weights[known] * history.weights[own]
        return parts

    def similar_items(
        self,
        item_id: str,
        items: CatalogIndex,
        window: Window,  # noqa: ARG002 - its window is the one it was trained with
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> ItemSimilarities:
        """Return the similar items, with their weights, above 0 and at most 1."""
        item_idx, weights = self.similar_idx(item_id, items)
        return ItemSimilarities(item_idx, np.minimum(weights, 1.0))

    def similar_idx(self, item_id: str, items: CatalogIndex) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the items in a catalog index that are similar to one, and parallel weights above 0."""
        model_idx = self._items.index_of(item_id)
        if model_idx < 0:
            return np.empty(0, dtype=np.intp), np.empty(0)
        similar, weights = self.similar_weights(model_idx)
        catalog_idx = self._items.catalog_idx_in(items)[similar]
        found = (weights > 0.0) & (catalog_idx >= 0)
        return catalog_idx[found], weights[found]


def largest_contributions(
    parts: NDArray[np.float64], own_idx: NDArray[np.intp], top_k: int, floor: float = 0.0
) -> list[Contributions]:
    """Return the `top_k` largest parts of each score, with their signs; ties by the latest of the history.

    Args:
        parts: shape (scores, items of the history, the latest first), what each adds.
        own_idx: parallel to the history, indices in the catalog index; -1 is not named.
        top_k: the most to give for each score.
        floor: parts of this absolute value or less are not named.
    """
    contributions = []
    for row in parts:
        kept = np.flatnonzero((np.abs(row) > floor) & (own_idx >= 0))
        kept = kept[np.argsort(-row[kept], kind="stable")][:top_k]
        contributions.append(Contributions(own_idx[kept], row[kept]))
    return contributions
