"""collaborative_score: how much similar users made of a medium."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Products of counts and values below this are exact as 64-bit integers.
_LARGEST_PRODUCT = float(1 << 62)


def collaborative_products(
    similar_user_counts: NDArray[np.int64], value_steps: NDArray[np.float64]
) -> NDArray[Any]:
    """similar_user_count × total_interaction_value of candidates, in whole steps; 0 where negative.

    Divided by the largest of those that a user may be given, it is the collaborative_score.

    Args:
        similar_user_counts, value_steps: parallel, one entry a candidate; values are whole numbers of steps.

    Returns:
        Shape (candidates,): int64, or Python's integers where these are too small.
    """
    largest = float(similar_user_counts.max(initial=1)) * float(np.abs(value_steps).max(initial=0.0))
    if largest < _LARGEST_PRODUCT:
        return np.maximum(similar_user_counts * value_steps.astype(np.int64), 0)
    exact = [
        max(0, count * int(steps))
        for count, steps in zip(similar_user_counts.tolist(), value_steps.tolist(), strict=True)
    ]
    return np.array(exact, dtype=object)


def collaborative_scores(products: NDArray[Any], largest: int) -> NDArray[np.float64]:
    """Products by the largest of them, in [0, 1]; 0 where none is above 0."""
    return np.asarray(products / max(1, largest), dtype=np.float64)


def add_up_media(
    media_idx: NDArray[np.intp], value_steps: NDArray[np.float64], media_count: int
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.float64]]:
    """similar_user_count and total_interaction_value of each medium that similar users have in their P.

    Args:
        media_idx, value_steps: parallel, one entry for each medium of each similar user.
        media_count: how many media there are at all; every `media_idx` is below it.

    Returns:
        Three parallel arrays, no medium twice: positions, counts, sums in steps.
    """
    counts: NDArray[np.int64] = np.bincount(media_idx, minlength=media_count)
    sums = np.bincount(media_idx, weights=value_steps, minlength=media_count).astype(np.float64, copy=False)
    found = np.flatnonzero(counts)
    return found, counts[found], sums[found]
