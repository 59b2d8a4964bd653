"""The best of a ranking, without sorting all of it."""

import numpy as np
from numpy.typing import NDArray

from recommender.compiled import compiled, compiled_or


def top_k(
    keys: NDArray[np.int64], eligible: NDArray[np.bool_], limit: int, offset: int = 0
) -> NDArray[np.intp]:
    """Return the positions of the items at ranks `offset` to `offset + limit`, the best first.

    Items stand in the arrays by popularity descending, then id ascending, which makes the position the
    tie-break: the order is key descending, then position ascending. Items with key 0 follow in order of
    popularity; that is the fill-up. Shorter than `limit` where the ranking ends.

    Args:
        keys: shape (items,), whole numbers of 0 and more.
        eligible: shape (items,), which items may be given.
        limit, offset: the page.
    """
    best = np.empty(min(offset + limit, len(keys)), dtype=np.intp)
    return best[offset : find_best(keys, eligible, best)]


def _find_best_in_numpy(keys: NDArray[np.int64], eligible: NDArray[np.bool_], best: NDArray[np.intp]) -> int:
    item_idx = np.flatnonzero(eligible)
    order = np.argsort(-keys[item_idx], kind="stable")[: best.size]
    best[: order.size] = item_idx[order]
    return int(order.size)


@compiled_or(_find_best_in_numpy)
def find_best(keys: NDArray[np.int64], eligible: NDArray[np.bool_], best: NDArray[np.intp]) -> int:
    """Write the positions of the best items, in their order, and return how many there are.

    They are kept in a heap whose first entry is the worst of them, and are taken out of it from the last.
    """
    kept = 0
    for position in range(keys.size):
        if not eligible[position]:
            continue
        if kept < best.size:
            place = kept
            kept += 1
            while place > 0 and is_worse(keys, position, best[(place - 1) // 2]):
                best[place] = best[(place - 1) // 2]
                place = (place - 1) // 2
            best[place] = position
        elif kept > 0 and keys[position] > keys[best[0]]:
            sift_down(keys, best, kept, position)
    for last in range(kept - 1, 0, -1):
        position = best[last]
        best[last] = best[0]
        sift_down(keys, best, last, position)
    return kept


@compiled
def sift_down(keys: NDArray[np.int64], heap: NDArray[np.intp], size: int, position: int) -> None:
    """Put an item in the place of the first entry of a heap of some size, and restore the order."""
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and is_worse(keys, heap[child + 1], heap[child]):
            child += 1
        if not is_worse(keys, heap[child], position):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = position


@compiled
def is_worse(keys: NDArray[np.int64], one: int, other: int) -> bool:
    """Return whether an item ranks behind another."""
    return bool(keys[one] < keys[other] or (keys[one] == keys[other] and one > other))
