"""Re-ranking: an order in which neighbours in the list differ more than by their scores alone."""

import numpy as np
from numpy.typing import NDArray

from recommender.ranking.item_similarity import genre_overlaps

# Values closer than this are equal, so that the last bit of a sum decides nothing.
_DECIMALS = 12


def rerank_by_genres(
    scores: NDArray[np.float64], genre_masks: NDArray[np.uint64], diversity: float, limit: int
) -> NDArray[np.intp]:
    """Return the positions of the first `limit` items by maximal marginal relevance (MMR), the best first.

    Carbonell and Goldstein, "The use of MMR, diversity-based reranking" (SIGIR 1998): each next item has the
    largest (1 - diversity) × score / largest score - diversity × its largest similarity to an item before it,
    where the similarity is genres in common by genres in either. Ties keep the given order. A longer list
    begins with the shorter one.

    Args:
        scores: shape (items,), 0 and more, the best item first.
        genre_masks: of the items' genres, shape (items, words).
        diversity: 0 keeps the order, 1 goes by genres alone.
        limit: how many are returned, at most.
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
        # The first of equal ones.
        chosen = int(np.argmax(np.where(is_open, values, -np.inf)))
        order[rank] = chosen
        is_open[chosen] = False
        np.maximum(similarity, genre_overlaps(genre_masks, genre_masks[chosen]), out=similarity)
    return order
