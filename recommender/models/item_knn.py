"""item_knn: items are similar that the same users have, by cosine with shrinkage.

The similarity of items i and j is |U(i) ∩ U(j)| / (sqrt(|U(i)| × |U(j)|) + shrinkage), over the users who
have a positive interaction with them.
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_array

from recommender.data.dataset import Dataset
from recommender.models.item_weights import ItemWeights, ItemWeightsModel, largest_weights, weights_by_source


class ItemKnnConfig(BaseModel):
    """Hyperparameters of `ItemKnn`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    shrinkage: float = Field(default=20.0, ge=0.0, allow_inf_nan=False)
    """Lowers the similarity of items that few users have."""
    neighbours: int = Field(default=200, ge=1)
    """How many of the most similar items of each item are kept."""


class ItemKnn(ItemWeightsModel[ItemKnnConfig]):
    """Scores an item by how similar it is to the items of a user's history."""

    name = "item_knn"
    config_kind = ItemKnnConfig

    def learn(self, data: Dataset) -> ItemWeights:
        """Return each item's largest similarities as the weights to it."""
        ones = np.ones(len(data.item_idx), dtype=np.float32)
        shape = (len(data.user_ids), len(data.item_ids))
        interactions = csr_array((ones, data.item_idx, data.user_start), shape=shape)
        shared = csr_array(interactions.T @ interactions)
        shared.sort_indices()
        norms = np.sqrt(shared.diagonal())
        targets = []
        for item in range(shape[1]):
            entries = slice(shared.indptr[item], shared.indptr[item + 1])
            source_idx = shared.indices[entries]
            weights = shared.data[entries] / (norms[item] * norms[source_idx] + self.config.shrinkage)
            weights[source_idx == item] = 0.0
            targets.append(largest_weights(weights, source_idx, self.config.neighbours))
        return weights_by_source(data.item_ids, targets)
