"""recommendation_score and the order of a user's media."""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 64
# Below any score.
_OUT = -1.0


def recommendation_scores(
    content: NDArray[np.float64],
    collaborative: NDArray[np.float64],
    content_weight: float,
    collaborative_weight: float,
) -> NDArray[np.float64]:
    """content_weight × content_score + collaborative_weight × collaborative_score; shape (media,)."""
    return content_weight * content + collaborative_weight * collaborative


def rank_page(
    scores: NDArray[np.float64], eligible: NDArray[np.bool_], limit: int, offset: int
) -> NDArray[np.intp]:
    """Positions of the media at places `offset` to `offset + limit` of a user's ranking.

    Media stand in the arrays by popularity descending, then id ascending, which makes the position the
    tie-break: the order is score descending, then position ascending. Media that score 0 follow in order
    of popularity; that is the fill-up. Shorter than `limit` where the ranking ends.
    """
    end = offset + limit
    ranked_scores = np.where(eligible, scores, _OUT)
    last = _score_reached(ranked_scores, end)
    if last > _OUT:
        # Sort only what can be on the page.
        above = np.flatnonzero(ranked_scores > last)
        level = np.flatnonzero(ranked_scores == last)[: max(0, end - len(above))]
        media_idx = np.sort(np.concatenate((above, level)))
    else:
        media_idx = np.flatnonzero(eligible)
    order = np.argsort(-scores[media_idx], kind="stable")
    return np.asarray(media_idx[order][offset:end], dtype=np.intp)


def _score_reached(scores: NDArray[np.float64], count: int) -> float:
    """A score that at least `count` of the scores reach, and not many more do.

    The largest of each block stand for all: that costs a tenth of a partition of all scores.
    """
    blocks = len(scores) // _BLOCK
    if blocks <= count:
        return _OUT
    largest = scores[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
    return float(np.partition(largest, blocks - count)[blocks - count])
