"""The blend of content score and collaborative score, as whole numbers that are compared exactly."""

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The largest whole number that a sum of two keys may reach.
_LARGEST_KEY = 1 << 62
# Up to here a float holds every whole number.
_LARGEST_IN_FLOAT = 1 << 53
# Steps between a score of 0 and one of 1, where scores are floats.
_FLOAT_STEPS = float(1 << 40)


def blend(
    matches: NDArray[np.integer],
    preference_count: int,
    item_idx: NDArray[np.intp],
    values: NDArray[Any],
    weights: tuple[float, float],
) -> NDArray[np.int64]:
    """Return whole numbers in the order of recommendation_score, equal where scores are equal exactly.

    The score content_weight × matches / preference_count + collaborative_weight × value / max(values) is
    multiplied by what makes it a whole number. As floats, equal scores may differ in the last bit.

    Args:
        matches: shape (items,), how many of the stated genres each item has.
        preference_count: how many genres are stated.
        item_idx, values: parallel, scored items and their whole, non-negative values; no item twice.
        weights: of the content and of the collaborative score.
    """
    content_weight, collaborative_weight = _as_integers(*weights)
    genres = max(1, preference_count)
    largest = int(values.max(initial=0)) or 1
    content_factor, value_factor = content_weight * largest, collaborative_weight * genres
    if max(largest, content_factor * genres + value_factor * largest) < _LARGEST_KEY:
        keys = matches.astype(np.int64) * content_factor
        keys[item_idx] += values.astype(np.int64) * value_factor
        return keys
    exact = [content_factor * count for count in matches.tolist()]
    for position, value in zip(item_idx.tolist(), values.tolist(), strict=True):
        exact[position] += value_factor * int(value)
    rank_of = {key: rank for rank, key in enumerate(sorted(set(exact)))}
    return np.array([rank_of[key] for key in exact], dtype=np.int64)


def blend_floats(
    content: NDArray[np.float64],
    item_idx: NDArray[np.intp],
    values: NDArray[Any],
    weights: tuple[float, float],
) -> NDArray[np.int64]:
    """Return whole numbers in the order of recommendation_score, in steps of 2^-40: closer ones are equal.

    Args:
        content: shape (items,), content scores, in [0, 1].
        item_idx, values: parallel, scored items and their whole, non-negative values; no item twice.
        weights: of the content and of the collaborative score, in [0, 1].
    """
    content_weight, collaborative_weight = weights
    scores = content * (content_weight * _FLOAT_STEPS)
    if values.size:
        scores[item_idx] += by_largest(values, int(values.max())) * (collaborative_weight * _FLOAT_STEPS)
    return np.rint(scores, out=scores).astype(np.int64)


def by_largest(values: NDArray[Any], largest: int) -> NDArray[np.float64]:
    """Return values divided by the largest of them, in [0, 1]; 0 where none is above 0."""
    if largest > _LARGEST_IN_FLOAT and values.dtype.kind == "i":
        # Python divides whole numbers of any size and rounds once; numpy would round both of them before.
        values = values.astype(object)
    return np.asarray(values / max(1, largest), dtype=np.float64)


@lru_cache(maxsize=256)
def _as_integers(content_weight: float, collaborative_weight: float) -> tuple[int, int]:
    """Return two whole numbers in the ratio of the weights as they are written: (2, 3) for 0.4 and 0.6."""
    content, collaborative = Fraction(str(content_weight)), Fraction(str(collaborative_weight))
    scale = math.lcm(content.denominator, collaborative.denominator)
    first, second = int(content * scale), int(collaborative * scale)
    common = math.gcd(first, second) or 1
    return first // common, second // common
