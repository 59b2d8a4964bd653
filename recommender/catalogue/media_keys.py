"""Finds thousands of media at a time by their ids in binary."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = 8
# Odd, with bits all over: ids that count up, or differ in one place, must not fold into the same number.
_FOLD = np.uint64(0x9E3779B97F4A7C15)
_NO_KEY = np.uint64(0xFFFFFFFFFFFFFFFF)


class MediaKeys:
    """Which position each key stands at.

    Keys are folded into 64 bits: of a million, two are taken for one another with a probability of 3 in 10^8.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Keys by position.

        Raises:
            ValueError: they are not of one width, or that is no multiple of 8 bytes.
        """
        widths = {len(key) for key in keys}
        if len(widths) > 1 or any(width == 0 or width % _WORD for width in widths):
            raise ValueError(f"keys must have one width, a multiple of {_WORD} bytes, not {sorted(widths)}")
        self._words = max(widths, default=_WORD) // _WORD
        folded = self.fold(b"".join(keys))
        self._position = np.argsort(folded)
        # The last one is larger than any key: a search that runs to the end stops there.
        self._folded = np.append(folded[self._position], _NO_KEY)
        # Where keys with the same first bits begin. With four times as many buckets as keys, few share one.
        self._shift = np.uint64(64 - max(1, len(keys).bit_length() + 2))
        buckets = np.arange(1 << (64 - int(self._shift)), dtype=np.uint64) << self._shift
        self._starts = np.searchsorted(self._folded, buckets)

    def locate(self, keys: bytes) -> NDArray[np.intp]:
        """The position of each of some keys, given one after the other; -1 for those that are unknown."""
        return self.locate_folded(self.fold(keys))

    def locate_folded(self, wanted: NDArray[np.uint64]) -> NDArray[np.intp]:
        """The position of each of some keys as `fold` returns them; -1 for those that are unknown."""
        place = self._starts[(wanted >> self._shift).view(np.int64)]
        # Few share a bucket with smaller ones, which are passed over.
        behind = np.flatnonzero(self._folded[place] < wanted)
        while behind.size:
            place[behind] += 1
            behind = behind[self._folded[place[behind]] < wanted[behind]]
        found = np.flatnonzero(self._folded[place] == wanted)
        positions = np.full(len(wanted), -1, dtype=np.intp)
        positions[found] = self._position[place[found]]
        return positions

    def fold(self, keys: bytes) -> NDArray[np.uint64]:
        """A number for each of some keys, given one after the other."""
        return fold_keys(keys, self._words)


def fold_keys(keys: bytes, words: int) -> NDArray[np.uint64]:
    """A number for each of some keys of so many times 8 bytes, given one after the other."""
    columns = np.frombuffer(keys, dtype=np.uint64).reshape(-1, words)
    folded = columns[:, 0].copy()
    for column in range(1, words):
        folded = (folded * _FOLD) ^ (folded >> np.uint64(29)) ^ columns[:, column]
    # Multiplied once more, as the first bits, which choose the bucket, must depend on all the others.
    mixed: NDArray[np.uint64] = np.minimum(folded * _FOLD, _NO_KEY - np.uint64(1))
    return mixed
