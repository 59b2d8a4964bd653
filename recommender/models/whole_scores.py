"""Float scores as whole numbers, so that they are compared exactly."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.models.base import NO_SCORES, ItemScores
from recommender.system.compiled import compiled_or

# The number of steps between 0 and the largest score of a user.
_FLOAT_STEPS = float(1 << 32)
_LARGEST_FLOAT = sys.float_info.max


def scores_of_floats(values: NDArray[np.floating[Any]], item_idx: NDArray[np.intp] | None) -> ItemScores:
    """Return float scores as integers, in steps of 2^-32 of the largest; negative ones become 0.

    If the largest is below about 10^-299, there are no scores: the number of steps would overflow.
    """
    largest = float(values.max(initial=0.0))
    if largest <= _FLOAT_STEPS / _LARGEST_FLOAT:
        return NO_SCORES
    steps = _FLOAT_STEPS / largest
    whole = np.rint(np.maximum(values, 0.0) * steps).astype(np.int64)
    return ItemScores(values=whole, item_idx=item_idx, steps=steps)


def scores_of_sums(sums: NDArray[np.float64], catalog_idx: NDArray[np.intp]) -> ItemScores:
    """Do as `scores_of_floats`, for the sums above 0 of items in a catalog index.

    Args:
        sums: shape (items of a model,).
        catalog_idx: parallel, indices in the catalog index, -1 for those that are not there.
    """
    values, item_idx = np.empty(len(sums), dtype=np.int64), np.empty(len(sums), dtype=np.intp)
    found, steps = write_whole_scores(sums, catalog_idx, _FLOAT_STEPS, values, item_idx)
    return ItemScores(values=values[:found], item_idx=item_idx[:found], steps=steps) if found else NO_SCORES


def _write_whole_scores_in_numpy(
    sums: NDArray[np.float64],
    catalog_idx: NDArray[np.intp],
    most: float,
    values: NDArray[np.int64],
    item_idx: NDArray[np.intp],
) -> tuple[int, float]:
    found = np.flatnonzero((sums > 0.0) & (catalog_idx >= 0))
    if not found.size:
        return 0, 1.0
    largest = float(sums[found].max())
    if largest <= most / _LARGEST_FLOAT:
        return 0, 1.0
    steps = most / largest
    values[: found.size] = np.rint(sums[found] * steps)
    item_idx[: found.size] = catalog_idx[found]
    return int(found.size), steps


@compiled_or(_write_whole_scores_in_numpy)
def write_whole_scores(
    sums: NDArray[np.float64],
    catalog_idx: NDArray[np.intp],
    most: float,
    values: NDArray[np.int64],
    item_idx: NDArray[np.intp],
) -> tuple[int, float]:
    """Write scores above 0, scaled to a largest of `most`, and their item_idx.

    Returns:
        The number of scores, and the steps per unit of score.
    """
    largest = 0.0
    for item in range(sums.size):
        if catalog_idx[item] >= 0:
            largest = max(largest, sums[item])
    if largest <= most / _LARGEST_FLOAT:
        return 0, 1.0
    steps = most / largest
    found = 0
    for item in range(sums.size):
        if catalog_idx[item] >= 0 and sums[item] > 0.0:
            values[found] = np.int64(np.rint(sums[item] * steps))
            item_idx[found] = catalog_idx[item]
            found += 1
    return found, steps
