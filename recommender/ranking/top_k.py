"""The best of a ranking, without sorting all of it."""

import numpy as np
from numpy.typing import NDArray

from recommender.system.compiled import compiled, compiled_or, read_only


def top_k(
    keys: NDArray[np.int64], eligible: NDArray[np.bool_], limit: int, offset: int = 0
) -> NDArray[np.intp]:
    """Return the indices of the items at ranks `offset` to `offset + limit`, the best first.

    Items stand in the arrays by popularity descending, then id ascending, which makes the index the
    tie-break: the order is key descending, then index ascending. Items with key 0 follow in order of
    popularity; that is the fill-up. Shorter than `limit` where the ranking ends.

    Args:
        keys: shape (items,), whole numbers of 0 and more.
        eligible: shape (items,), which items may be given.
        limit, offset: the page.
    """
    best = np.empty(min(offset + limit, len(keys)), dtype=np.intp)
    # Counts of popular items may be in memory that is shared read-only.
    return best[offset : find_best(read_only(keys), read_only(eligible), best)]


def _find_best_in_numpy(keys: NDArray[np.int64], eligible: NDArray[np.bool_], best: NDArray[np.intp]) -> int:
    item_idx = np.flatnonzero(eligible)
    order = np.argsort(-keys[item_idx], kind="stable")[: best.size]
    best[: order.size] = item_idx[order]
    return int(order.size)


@compiled_or(_find_best_in_numpy)
def find_best(keys: NDArray[np.int64], eligible: NDArray[np.bool_], best: NDArray[np.intp]) -> int:
    """Write the indices of the best items, in their order, and return how many there are.

    They are kept in a heap whose first entry is the worst of them, and are taken out of it from the last.
    """
    kept = 0
    for item in range(keys.size):
        if not eligible[item]:
            continue
        if kept < best.size:
            entry = kept
            kept += 1
            while entry > 0 and is_worse(keys, item, best[(entry - 1) // 2]):
                best[entry] = best[(entry - 1) // 2]
                entry = (entry - 1) // 2
            best[entry] = item
        elif kept > 0 and keys[item] > keys[best[0]]:
            sift_down(keys, best, kept, item)
    for last in range(kept - 1, 0, -1):
        item = best[last]
        best[last] = best[0]
        sift_down(keys, best, last, item)
    return kept


@compiled
def sift_down(keys: NDArray[np.int64], heap: NDArray[np.intp], size: int, item: int) -> None:
    """Put an item in place of the first entry of a heap of some size, and restore the order."""
    entry = 0
    while 2 * entry + 1 < size:
        child = 2 * entry + 1
        if child + 1 < size and is_worse(keys, heap[child + 1], heap[child]):
            child += 1
        if not is_worse(keys, heap[child], item):
            break
        heap[entry] = heap[child]
        entry = child
    heap[entry] = item


@compiled
def is_worse(keys: NDArray[np.int64], one: int, other: int) -> bool:
    """Return whether an item ranks behind another."""
    return bool(keys[one] < keys[other] or (keys[one] == keys[other] and one > other))
