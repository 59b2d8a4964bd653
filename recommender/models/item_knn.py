"""item_knn: items with the same users are similar, by cosine with shrinkage.

The similarity of items i and j is |U(i) ∩ U(j)| / (sqrt(|U(i)| × |U(j)|) + shrinkage), over the users who
have a positive interaction with them.
"""

import numpy as np
from pydantic import Field

from recommender.data.dataset import Dataset
from recommender.models.fitting import Estimate, Fitting
from recommender.models.item_weights import ItemWeightsConfig, ItemWeightsModel
from recommender.models.weight_arrays import ItemWeights, largest_weights, weights_by_source

# Common users are counted for this many items at a time: the whole matrix would not fit into memory.
_BLOCK_ITEMS = 1_000
_SECONDS_A_PAIR = 2e-8
# Of peaks measured by tracemalloc: of an interaction, a kept similarity, and a similarity of a block.
_BYTES_AN_INTERACTION, _BYTES_A_KEPT_WEIGHT, _BYTES_A_WEIGHT = 40, 72, 10


class ItemKnnConfig(ItemWeightsConfig):
    """Hyperparameters of `ItemKnn`."""

    shrinkage: float = Field(default=20.0, ge=0.0, allow_inf_nan=False)
    """Lowers the similarity of items with few users."""
    neighbours: int = Field(default=200, ge=1)
    """How many of the most similar items are kept for each item."""


class ItemKnn(ItemWeightsModel[ItemKnnConfig]):
    """Score an item by its similarities to the items of a user's history."""

    name = "item_knn"
    config_kind = ItemKnnConfig

    def estimate(self, data: Dataset) -> Estimate:
        """Return the time and memory of counting each user's pairs of items."""
        sizes, items = np.diff(data.user_start), len(data.item_ids)
        counted = int((sizes**2).sum())
        memory_bytes = (
            _BYTES_AN_INTERACTION * len(data.item_idx)
            + _BYTES_A_KEPT_WEIGHT * min(items * self.config.neighbours, counted)
            + _BYTES_A_WEIGHT * min(items * min(items, _BLOCK_ITEMS), counted)
        )
        return Estimate(_SECONDS_A_PAIR * counted, memory_bytes)

    def learn(self, data: Dataset, fitting: Fitting) -> ItemWeights:
        """Return each item's largest similarities as the weights to it."""
        # Only training needs it.
        from scipy.sparse import csr_array  # noqa: PLC0415 - see above

        interactions = data.matrix(np.ones(len(data.item_idx), dtype=np.float32))
        users_of_item = csr_array(interactions.T)
        norms = np.sqrt(np.diff(users_of_item.indptr)).astype(np.float32)
        targets = []
        items = len(data.item_ids)
        for start in range(0, items, _BLOCK_ITEMS):
            fitting.report(start / items)
            shared = csr_array(users_of_item[start : start + _BLOCK_ITEMS] @ interactions)
            shared.sort_indices()
            for row, item in enumerate(range(start, start + shared.shape[0])):
                entries = slice(shared.indptr[row], shared.indptr[row + 1])
                source_idx = shared.indices[entries]
                weights = shared.data[entries] / (norms[item] * norms[source_idx] + self.config.shrinkage)
                weights[source_idx == item] = 0.0
                targets.append(largest_weights(weights, source_idx, self.config.neighbours))
        return weights_by_source(data.item_ids, targets)
