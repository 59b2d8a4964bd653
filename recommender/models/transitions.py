"""transitions: items that users watched next, from the order of their histories.

For items i and j, C(i → j) is the sum of exp(-(gap - 1) / 10) over all users with j within 20 items after i,
where the gap is 1 for the next item. The weight from i to j is
C(i → j) / ((pop(i) + 10) × pop(j)^0.2), with pop(i) the number of users of i. The latest item of a history
counts 1, the one before it exp(-1 / 5), and so on. Items that the model does not know have a rank, too.

Its structure is that of SLIT in Choi et al., "Session-aware Linear Item-Item Models for Session-based
Recommendation" (WWW 2021), item to item by order and decay, but without a matrix inverse.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recommender.data.dataset import Dataset
from recommender.models.fitting import Estimate, Fitting
from recommender.models.item_weights import ItemWeightsConfig, ItemWeightsModel
from recommender.models.weight_arrays import ItemWeights, TargetWeights, largest_weights, weights_by_source
from recommender.system.compiled import compiled_or

# Integer steps, so that a sum does not depend on the order of the users.
_STEPS = 1 << 30
# Measured on two cores.
_SECONDS_A_STEP, _SECONDS_AN_ITEM, _BYTES_A_PAIR, _BYTES_A_KEPT_WEIGHT = 1e-8, 1e-4, 32, 72
# Items after which progress is reported.
_REPORTED_ITEMS = 500


class TransitionsConfig(ItemWeightsConfig):
    """Hyperparameters of `Transitions`."""

    gaps: int = Field(default=20, ge=1)
    """The largest gap between two items that counts as a transition."""
    gap_decay: float = Field(default=10.0, gt=0.0, allow_inf_nan=False)
    """The increase of the gap after which a transition counts 1 / e as much."""
    damping: float = Field(default=10.0, ge=0.0, allow_inf_nan=False)
    """Lowers the weights from items with few users."""
    popularity_exponent: float = Field(default=0.2, ge=0.0, le=1.0, allow_inf_nan=False)
    """Lowers the weights to items with many users."""
    sources: int = Field(default=200, ge=1)
    """How many of the largest weights to each item are kept."""
    recency: float = Field(default=5.0, gt=0.0, allow_inf_nan=False)
    """The rank in a history, from the latest item, at which an item counts 1 / e. Read when scoring."""


class Transitions(ItemWeightsModel[TransitionsConfig]):
    """Score an item by how often it followed the latest items of a user's history."""

    name = "transitions"
    config_kind = TransitionsConfig

    def history_weights(
        self,
        ranks: NDArray[np.intp],
        liked: NDArray[np.bool_],  # noqa: ARG002 - watches count as likes do
    ) -> NDArray[np.float64]:
        """Return the weights of the items of a history by their ranks, the latest first."""
        return np.exp(-ranks / self.config.recency)

    def similar_weights(self, model_idx: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the weights of transitions from an item."""
        return self._weights.of_source(model_idx)

    def estimate(self, data: Dataset) -> Estimate:
        """Return the time and memory of adding all transitions: each item of a history times the gaps."""
        pairs, items = len(data.item_idx), len(data.item_ids)
        seconds = _SECONDS_A_STEP * float(pairs) * self.config.gaps + _SECONDS_AN_ITEM * items
        kept = min(items * min(self.config.sources, items), pairs * self.config.gaps)
        return Estimate(seconds, _BYTES_A_PAIR * pairs + _BYTES_A_KEPT_WEIGHT * kept)

    def learn(self, data: Dataset, fitting: Fitting) -> ItemWeights:
        """Return each item's largest weights; items with equal times are in the dataset's order, by id."""
        items = len(data.item_ids)
        config = self.config
        users_of = np.bincount(data.item_idx, minlength=items)
        starts = np.concatenate(([0], np.cumsum(users_of)))
        entries = np.argsort(data.item_idx, kind="stable")
        ends = np.repeat(data.user_start[1:], np.diff(data.user_start))[entries]
        decay = np.rint(np.exp(-np.arange(config.gaps) / config.gap_decay) * _STEPS)
        # `_add_steps` takes an item whose sum is 0 for one that it has not met yet.
        decay = decay[decay > 0.0]
        sums = np.zeros(items)
        targets: list[TargetWeights] = []
        for target in range(items):
            part = slice(starts[target], starts[target + 1])
            sources = _add_steps(sums, entries[part], ends[part], data.item_idx, decay)
            sources.sort()
            popularity = float(users_of[target]) ** config.popularity_exponent
            weights = sums[sources] / _STEPS / ((users_of[sources] + config.damping) * popularity)
            sums[sources] = 0.0
            targets.append(largest_weights(weights, sources, config.sources))
            if target % _REPORTED_ITEMS == 0:
                fitting.report(target / items)
        return weights_by_source(data.item_ids, targets)


def _add_steps_in_numpy(
    sums: NDArray[np.float64],
    entries: NDArray[np.int64],
    ends: NDArray[np.int64],
    item_idx: NDArray[np.int32],
    decay: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Do the same as `_add_steps` without a compiler; sums of integers do not depend on the order."""
    found: list[NDArray[np.int64]] = []
    for gap, counted in enumerate(decay, 1):
        later = entries + gap
        sources = item_idx[later[later < ends]].astype(np.int64)
        np.add.at(sums, sources, counted)
        found.append(sources)
    return np.unique(np.concatenate(found))


@compiled_or(_add_steps_in_numpy)
def _add_steps(
    sums: NDArray[np.float64],
    entries: NDArray[np.int64],
    ends: NDArray[np.int64],
    item_idx: NDArray[np.int32],
    decay: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Add the transitions to one item to the sums of their source items; return these items, each once.

    Args:
        sums: shape (items,), all 0, added to in place.
        entries, ends: parallel, where the item occurs in the histories, and where each history ends.
        item_idx: the histories, latest item first, so that later entries were watched earlier.
        decay: the weight of a transition by its gap, from 1 on.
    """
    found = [np.int64(0) for _ in range(0)]
    for i in range(entries.size):
        first = entries[i] + 1
        for entry in range(first, min(first + decay.size, ends[i])):
            source = item_idx[entry]
            if sums[source] == 0.0:
                found.append(np.int64(source))
            sums[source] += decay[entry - first]
    return np.array(found, dtype=np.int64)
