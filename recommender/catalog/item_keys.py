"""Find thousands of items at a time by their binary ids."""

from collections.abc import Set as AbstractSet
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_WORD = 8
# Odd, with well-spread bits: ids that count up, or differ in one byte, must not fold into the same number.
_FOLD = np.uint64(0x9E3779B97F4A7C15)
_NO_KEY = np.uint64(0xFFFFFFFFFFFFFFFF)


class KeyArrays(NamedTuple):
    """Arrays for finding keys.

    `folded`: the folded keys, ascending, and a larger sentinel. `item_idx`: the index of each key.
    `starts`: where in `folded` the keys with the same first bits begin.
    """

    folded: NDArray[np.uint64]
    item_idx: NDArray[np.int32]
    starts: NDArray[np.int32]


class ItemKeys:
    """Map keys to their indices.

    Keys are folded into 64 bits: the probability of a collision among a million keys is 3 in 10^8.
    """

    def __init__(self, words: int, arrays: KeyArrays) -> None:
        """Find keys of `words` times 8 bytes by the arrays that were made of them."""
        self.words, self.arrays = words, arrays
        self._folded, self._item_idx, self._starts = arrays
        self._shift = np.uint64(65 - len(self._starts).bit_length())

    def locate(self, keys: bytes) -> NDArray[np.intp]:
        """Return the index of each of some concatenated keys, -1 for unknown ones."""
        return self.locate_folded(self.fold(keys))

    def locate_folded(self, wanted: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return the index of each of some keys folded by `fold`, -1 for unknown ones."""
        entry = self._starts[(wanted >> self._shift).view(np.int64)]
        # Few keys share a bucket with smaller ones, which are skipped.
        behind = np.flatnonzero(self._folded[entry] < wanted)
        while behind.size:
            entry[behind] += 1
            behind = behind[self._folded[entry[behind]] < wanted[behind]]
        found = np.flatnonzero(self._folded[entry] == wanted)
        item_idx = np.full(len(wanted), -1, dtype=np.intp)
        item_idx[found] = self._item_idx[entry[found]]
        return item_idx

    def fold(self, keys: bytes) -> NDArray[np.uint64]:
        """Return a 64-bit number for each of some concatenated keys."""
        return fold_keys(keys, self.words)


def words_of_keys(widths: AbstractSet[int]) -> int:
    """Return the number of 8-byte words in keys of some widths.

    Raises:
        ValueError: there are several widths, or it is not a multiple of 8 bytes.
    """
    if len(widths) > 1 or any(width == 0 or width % _WORD for width in widths):
        listed = " and ".join(map(str, sorted(widths)))
        raise ValueError(f"keys of {listed} bytes, but all must have one width, a multiple of {_WORD} bytes")
    return max(widths, default=_WORD) // _WORD


def arrays_of_keys(folded: NDArray[np.uint64]) -> KeyArrays:
    """Make the arrays for finding keys, from the folded keys in the order of their indices."""
    item_idx = np.argsort(folded)
    # The sentinel is larger than any key, so that every search ends.
    ordered = np.append(folded[item_idx], _NO_KEY)
    # With four times as many buckets as keys, few share one.
    bits = max(1, len(folded).bit_length() + 2)
    buckets = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    starts = np.searchsorted(ordered, buckets)
    return KeyArrays(ordered, item_idx.astype(np.int32), starts.astype(np.int32))


def fold_keys(keys: bytes | memoryview, words: int) -> NDArray[np.uint64]:
    """Return a 64-bit number for each of some concatenated keys of `words` times 8 bytes."""
    columns = np.frombuffer(keys, dtype=np.uint64).reshape(-1, words)
    folded = columns[:, 0].copy()
    for column in range(1, words):
        folded = (folded * _FOLD) ^ (folded >> np.uint64(29)) ^ columns[:, column]
    # Multiply once more: the first bits, which choose the bucket, must depend on all others.
    mixed: NDArray[np.uint64] = np.minimum(folded * _FOLD, _NO_KEY - np.uint64(1))
    return mixed
