"""Finds thousands of media at a time by their ids in binary."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

_WORD = 8
# Odd, with bits all over: ids that count up, or differ in one place, must not fold into the same number.
_FOLD = np.uint64(0x9E3779B97F4A7C15)
_NO_KEY = np.uint64(0xFFFFFFFFFFFFFFFF)


class KeyArrays(NamedTuple):
    """What keys are found by.

    `folded`: the numbers of the keys, ascending, and a last one that is larger. `positions`: where each key
    stands. `starts`: where in `folded` the keys with the same first bits begin.
    """

    folded: NDArray[np.uint64]
    positions: NDArray[np.int32]
    starts: NDArray[np.int32]


class ItemKeys:
    """Which position each key stands at.

    Keys are folded into 64 bits: of a million, two are taken for one another with a probability of 3 in 10^8.
    """

    def __init__(self, keys: Sequence[bytes], made: tuple[int, KeyArrays] | None = None) -> None:
        """Index keys by position.

        Args:
            keys: by position.
            made: in place of keys, how many times 8 bytes each has, and the arrays that were made of them.

        Raises:
            ValueError: they are not of one width, or that is no multiple of 8 bytes.
        """
        if made is None:
            words = words_of_keys({len(key) for key in keys})
            made = words, arrays_of_keys(fold_keys(b"".join(keys), words))
        self.words, self.arrays = made
        self._folded, self._position, self._starts = self.arrays
        self._shift = np.uint64(65 - len(self._starts).bit_length())

    @classmethod
    def of_arrays(cls, words: int, arrays: KeyArrays) -> Self:
        """Return keys of so many times 8 bytes that were made into arrays before."""
        return cls((), (words, arrays))

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
        return fold_keys(keys, self.words)


def words_of_keys(widths: AbstractSet[int]) -> int:
    """Return how many times 8 bytes keys of some widths have.

    Raises:
        ValueError: they are not of one width, or that is no multiple of 8 bytes.
    """
    if len(widths) > 1 or any(width == 0 or width % _WORD for width in widths):
        raise ValueError(f"keys must have one width, a multiple of {_WORD} bytes, not {sorted(widths)}")
    return max(widths, default=_WORD) // _WORD


def arrays_of_keys(folded: NDArray[np.uint64]) -> KeyArrays:
    """Make the arrays that keys are found by, from their numbers by position."""
    positions = np.argsort(folded)
    # The last one is larger than any key: a search that runs to the end stops there.
    ordered = np.append(folded[positions], _NO_KEY)
    # With four times as many buckets as keys, few share one.
    bits = max(1, len(folded).bit_length() + 2)
    buckets = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    starts = np.searchsorted(ordered, buckets)
    return KeyArrays(ordered, positions.astype(np.int32), starts.astype(np.int32))


def fold_keys(keys: bytes | memoryview, words: int) -> NDArray[np.uint64]:
    """A number for each of some keys of so many times 8 bytes, given one after the other."""
    columns = np.frombuffer(keys, dtype=np.uint64).reshape(-1, words)
    folded = columns[:, 0].copy()
    for column in range(1, words):
        folded = (folded * _FOLD) ^ (folded >> np.uint64(29)) ^ columns[:, column]
    # Multiplied once more, as the first bits, which choose the bucket, must depend on all the others.
    mixed: NDArray[np.uint64] = np.minimum(folded * _FOLD, _NO_KEY - np.uint64(1))
    return mixed
