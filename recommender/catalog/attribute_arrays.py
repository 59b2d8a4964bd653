"""Hold the attributes of all items as arrays, and find the items that meet a condition."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.attribute_values import (
    CategoryValues,
    NumberedNames,
    NumberValues,
    SetValues,
)
from recommender.entities import NamesCondition, RangeCondition, Wanted
from recommender.ranking.genre_matching import pack_genres, words_of
from recommender.texts.names import name_key

# With more distinct names, a bit mask takes more memory than a list of the names of each item.
_MOST_BITS = 1_024


@dataclass(frozen=True, slots=True)
class SetArray:
    """The names of a set attribute as bit masks, shape (items, words). `numbers`: the bit of each key."""

    array: NDArray[np.uint64]
    numbers: Mapping[str, int]

    def bits_of(self, keys: Iterable[str]) -> NDArray[np.uint64]:
        """Return the bit mask of names by their keys, without names that no item has; shape (words,)."""
        return np.asarray(pack_genres([self.numbers_of(keys).tolist()], len(self.numbers))[0])

    def numbers_of(self, keys: Iterable[str]) -> NDArray[np.intp]:
        """Return the bits of names by their keys, without names that no item has."""
        return np.array([self.numbers[key] for key in keys if key in self.numbers], dtype=np.intp)

    def matching(self, condition: NamesCondition) -> NDArray[np.bool_]:
        """Return a mask of the items with any, all, or none of some names; shape (items,)."""
        keys = {name_key(name) for name in condition.names}
        if condition.wanted is Wanted.ALL and not keys <= self.numbers.keys():
            return np.zeros(len(self.array), dtype=np.bool_)
        names = self.bits_of(keys)
        if condition.wanted is Wanted.ALL:
            return np.asarray(((self.array & names) == names).all(axis=1))
        found = (self.array & names).any(axis=1)
        return np.asarray(~found if condition.wanted is Wanted.NONE else found)


@dataclass(frozen=True, slots=True)
class LargeSetArray:
    """The names of a set attribute with so many distinct names that bit masks would be large.

    The names of item i are array[starts[i]:starts[i + 1]], each once. `numbers`: the number of each key.
    """

    starts: NDArray[np.int64]
    array: NDArray[np.int32]
    numbers: Mapping[str, int]

    def matching(self, condition: NamesCondition) -> NDArray[np.bool_]:
        """Return a mask of the items with any, all, or none of some names; shape (items,)."""
        keys = {name_key(name) for name in condition.names}
        wanted = [self.numbers[key] for key in keys if key in self.numbers]
        hits = np.concatenate(([0], np.cumsum(np.isin(self.array, wanted))))
        counts = hits[self.starts[1:]] - hits[self.starts[:-1]]
        if condition.wanted is Wanted.ALL:
            return np.asarray(counts == len(keys))
        return np.asarray(counts == 0 if condition.wanted is Wanted.NONE else counts > 0)


@dataclass(frozen=True, slots=True)
class CategoryArray:
    """The names of a category attribute as numbers, -1 for none; shape (items,)."""

    array: NDArray[np.int32]
    numbers: Mapping[str, int]

    def matching(self, condition: NamesCondition) -> NDArray[np.bool_]:
        """Return a mask of the items with one, or none, of some names; shape (items,)."""
        is_named = np.zeros(len(self.numbers) + 1, dtype=np.bool_)
        for key in map(name_key, condition.names):
            if key in self.numbers:
                is_named[self.numbers[key]] = True
        # The last element stands for -1, no name.
        found = is_named[self.array]
        return ~found if condition.wanted is Wanted.NONE else found


@dataclass(frozen=True, slots=True)
class NumberArray:
    """The values of a number attribute, NaN for none; shape (items,)."""

    array: NDArray[np.float64]

    def matching(self, condition: RangeCondition) -> NDArray[np.bool_]:
        """Return a mask of the items in a range, both ends included; shape (items,)."""
        least = -np.inf if condition.least is None else condition.least
        most = np.inf if condition.most is None else condition.most
        return np.asarray((self.array >= least) & (self.array <= most))


AttributeArray = SetArray | LargeSetArray | CategoryArray | NumberArray


def array_of(
    values: SetValues | CategoryValues | NumberValues, order: NDArray[np.intp], *, as_bits: bool = False
) -> AttributeArray:
    """Make the array of an attribute's values, in another order of the items.

    Args:
        values: of all items.
        order: indices into `values`.
        as_bits: use bit masks for a set, however many names there are.
    """
    if isinstance(values, NumberValues):
        return NumberArray(values.in_order(order))
    if isinstance(values, CategoryValues):
        names, codes = values.in_order(order)
        return CategoryArray(codes, numbered(names))
    named = values.in_order(order)
    if as_bits or len(named.names) <= _MOST_BITS:
        return SetArray(_pack(named), numbered(named.names))
    return LargeSetArray(named.starts, named.numbers, numbered(named.names))


def numbered(names: Sequence[str]) -> dict[str, int]:
    """Return the number of each name."""
    return {name: number for number, name in enumerate(names)}


def _pack(named: NumberedNames) -> NDArray[np.uint64]:
    """Return the names of each item as bit masks; shape (items, words)."""
    lengths = np.diff(named.starts)
    masks = np.zeros((len(lengths), words_of(len(named.names))), dtype=np.uint64)
    for nth in range(int(lengths.max(initial=0))):
        items = np.flatnonzero(lengths > nth)
        word, bit = np.divmod(named.numbers[named.starts[items] + nth], 64)
        masks[items, word] |= np.uint64(1) << bit.astype(np.uint64)
    return masks


def mask_of(array: AttributeArray, condition: NamesCondition | RangeCondition) -> NDArray[np.bool_]:
    """Return a mask of the items that meet a condition; shape (items,)."""
    if isinstance(array, NumberArray):
        if not isinstance(condition, RangeCondition):
            raise TypeError(f"{condition.attribute} is a number, and takes a range")
        return array.matching(condition)
    if not isinstance(condition, NamesCondition):
        raise TypeError(f"{condition.attribute} has names, not a range")
    return array.matching(condition)
