"""collaborative_score: how much similar users made of a medium."""

import numpy as np
from numpy.typing import NDArray


def collaborative_scores(
    media_idx: NDArray[np.intp],
    similar_user_counts: NDArray[np.int64],
    total_values: NDArray[np.float64],
    eligible: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """similar_user_count × total_interaction_value / max_score for every medium, in [0, 1].

    Args:
        media_idx, similar_user_counts, total_values: in step, one entry a candidate; no medium twice.
        eligible: shape (media,), which media the user may be given. The largest product among those is
            max_score; the others score 0.

    Negative products count as 0, as do those that are not finite.
    """
    scores = np.zeros(len(eligible))
    with np.errstate(invalid="ignore", over="ignore"):
        products = similar_user_counts * total_values
    scores[media_idx] = np.where(np.isfinite(products), np.maximum(products, 0.0), 0.0)
    scores[~eligible] = 0.0
    max_score = scores.max(initial=0.0)
    if max_score > 0.0:
        scores /= max_score
    return scores
