"""Re-ranks lists for diversity of genres."""

import numpy as np
from numpy.typing import NDArray

from recommender.ranking.item_similarity import genre_overlaps

# Closer values count as equal, so that rounding errors do not decide the order.
_DECIMALS = 12


def rerank_by_genres(
    scores: NDArray[np.float64], genre_masks: NDArray[np.uint64], diversity: float, limit: int
) -> NDArray[np.intp]:
    """Return the indices of the first `limit` items by maximal marginal relevance (MMR), best first.

    Carbonell and Goldstein, "The use of MMR, diversity-based reranking" (SIGIR 1998): each next item has the
    largest (1 - diversity) × score / largest score - diversity × its largest similarity to an item before it.
    Similarity is the Jaccard index of genres. Ties keep the given order. A longer list begins with the
    shorter one.

    Args:
        scores: shape (items,), 0 or more, best first.
        genre_masks: of the items' genres, shape (items, words).
        diversity: 0 keeps the order, 1 uses genres only.
        limit: largest number of indices to return.
    """
    count = min(limit, len(scores))
    if diversity == 0.0:
        return np.arange(count)
    largest = float(scores.max(initial=0.0))
    relevance = (1.0 - diversity) * (scores / largest if largest > 0.0 else np.zeros(len(scores)))
    similarity = np.zeros(len(scores))
    is_open = np.ones(len(scores), dtype=np.bool_)
    order = np.empty(count, dtype=np.intp)
    for rank in range(count):
        values = np.round(relevance - diversity * similarity, _DECIMALS)
        # argmax: the first of equal values.
        chosen = int(np.argmax(np.where(is_open, values, -np.inf)))
        order[rank] = chosen
        is_open[chosen] = False
        np.maximum(similarity, genre_overlaps(genre_masks, genre_masks[chosen]), out=similarity)
    return order
