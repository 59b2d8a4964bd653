"""recommendation_score and the order of a user's media."""

import numpy as np
from numpy.typing import NDArray


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
    media_idx = np.flatnonzero(eligible)
    end = offset + limit
    ranked_scores = scores[media_idx]
    if end < len(media_idx):
        # Sort only what can be on the page: all that score no less than the last place does.
        last = np.partition(ranked_scores, len(media_idx) - end)[len(media_idx) - end]
        above = np.flatnonzero(ranked_scores > last)
        level = np.flatnonzero(ranked_scores == last)[: end - len(above)]
        kept = np.sort(np.concatenate((above, level)))
        media_idx, ranked_scores = media_idx[kept], ranked_scores[kept]
    order = np.argsort(-ranked_scores, kind="stable")
    return np.asarray(media_idx[order][offset:end], dtype=np.intp)
