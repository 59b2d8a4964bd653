"""The best of a ranking, without sorting all of it."""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 64
# Below any score.
_OUT = -1


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
    end = offset + limit
    ranked = np.where(eligible, keys, _OUT)
    last = _key_reached(ranked, end)
    if last > _OUT:
        # Sort only what can be on the page.
        above = np.flatnonzero(ranked > last)
        level = np.flatnonzero(ranked == last)[: max(0, end - len(above))]
        item_idx = np.sort(np.concatenate((above, level)))
    else:
        item_idx = np.flatnonzero(eligible)
    order = np.argsort(-keys[item_idx], kind="stable")
    return np.asarray(item_idx[order][offset:end], dtype=np.intp)


def _key_reached(keys: NDArray[np.int64], count: int) -> int:
    """Return a key that at least `count` of the keys reach, and not many more.

    The largest of each block stand for all: that costs a tenth of a partition of all keys.
    """
    blocks = len(keys) // _BLOCK
    if blocks <= count:
        return _OUT
    largest = keys[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
    return int(np.partition(largest, blocks - count)[blocks - count])
