"""collaborative_score: how much similar users made of a medium."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class CollaborativeScores(NamedTuple):
    """`scores`: shape (media,). `max_score`: the largest product; 0 where none is above that."""

    scores: NDArray[np.float64]
    max_score: float


def collaborative_scores(
    media_idx: NDArray[np.intp],
    similar_user_counts: NDArray[np.int64],
    total_values: NDArray[np.float64],
    eligible: NDArray[np.bool_],
) -> CollaborativeScores:
    """similar_user_count × total_interaction_value / max_score for every medium, in [0, 1].

    Args:
        media_idx, similar_user_counts, total_values: in step, one entry a candidate; no medium twice.
        eligible: shape (media,), which media the user may be given. The largest product among those is
            max_score; the others score 0.

    Negative products count as 0, as do those that are not finite.
    """
    kept = eligible[media_idx]
    with np.errstate(invalid="ignore", over="ignore"):
        products = similar_user_counts[kept] * total_values[kept]
    products = np.where(np.isfinite(products), np.maximum(products, 0.0), 0.0)
    max_score = float(products.max(initial=0.0))
    scores = np.zeros(len(eligible))
    if max_score > 0.0:
        scores[media_idx[kept]] = products / max_score
    return CollaborativeScores(scores, max_score)


def add_up_media(
    media_idx: NDArray[np.intp], total_values: NDArray[np.float64], media_count: int
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.float64]]:
    """similar_user_count and total_interaction_value of each medium that similar users have in their P.

    Args:
        media_idx, total_values: in step, one entry for each medium of each similar user.
        media_count: how many media there are at all; every `media_idx` is below it.

    Returns:
        Three arrays in step, no medium twice: positions, counts, sums.
    """
    counts: NDArray[np.int64] = np.bincount(media_idx, minlength=media_count)
    sums = np.bincount(media_idx, weights=total_values, minlength=media_count).astype(np.float64, copy=False)
    found = np.flatnonzero(counts)
    return found, counts[found], sums[found]
