"""ease: a linear model between items in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (WWW 2019): with the Gram matrix G of the
interactions and P = (G + regularisation × I)^-1, the weight from item i to item j is -P[i, j] / P[j, j], and
0 on the diagonal.
"""

import numpy as np
from pydantic import Field

from recommender.data.dataset import Dataset
from recommender.models.fitting import Estimate, Fitting
from recommender.models.item_weights import (
    ItemWeights,
    ItemWeightsConfig,
    ItemWeightsModel,
    largest_weights,
    weights_by_source,
)

_SECONDS_AN_ITEM_CUBED, _MATRICES = 1e-11, 4


class EaseConfig(ItemWeightsConfig):
    """Hyperparameters of `Ease`."""

    regularisation: float = Field(default=200.0, gt=0.0, allow_inf_nan=False)
    """λ: the larger, the less a few users decide."""
    weights: int = Field(default=500, ge=1)
    """How many weights to each item are kept, those furthest from 0."""
    items: int = Field(default=10_000, ge=1)
    """How many of the most popular items are learned; training takes some 4 × 8 × items² bytes."""


class Ease(ItemWeightsModel[EaseConfig]):
    """Scores an item by a regression on the items of a user's history."""

    name = "ease"
    config_kind = EaseConfig

    def estimate(self, data: Dataset) -> Estimate:
        """Return what the inverse of a dense matrix takes."""
        items = min(len(data.item_ids), self.config.items)
        return Estimate(
            _SECONDS_AN_ITEM_CUBED * items**3, _MATRICES * items**2 * np.dtype(np.float64).itemsize
        )

    def learn(self, data: Dataset, fitting: Fitting) -> ItemWeights:  # noqa: ARG002 - one step of LAPACK's
        """Return the weights of the closed form."""
        # Only training needs them.
        from scipy.linalg import inv  # noqa: PLC0415 - see above
        from scipy.sparse import csr_array  # noqa: PLC0415 - see above

        popularity = np.bincount(data.item_idx, minlength=len(data.item_ids))
        learned = np.sort(np.argsort(-popularity, kind="stable")[: self.config.items])
        # With half the digits, items that nothing tells apart would get different weights.
        ones = np.ones(len(data.item_idx), dtype=np.float64)
        shape = (len(data.user_ids), len(data.item_ids))
        interactions = csr_array((ones, data.item_idx, data.user_start), shape=shape)[:, learned]
        gram = (interactions.T @ interactions).toarray()
        np.fill_diagonal(gram, gram.diagonal() + self.config.regularisation)
        inverse = inv(gram, overwrite_a=True, assume_a="pos")
        weights = inverse / -inverse.diagonal()
        np.fill_diagonal(weights, 0.0)
        source_idx = np.arange(len(learned))
        targets = [largest_weights(column, source_idx, self.config.weights) for column in weights.T]
        return weights_by_source([data.item_ids[item] for item in learned], targets)
