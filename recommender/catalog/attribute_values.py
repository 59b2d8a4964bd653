"""Collect the values of one attribute into arrays, as they are read in chunks of items.

Only numbers are kept: the rows as Python objects would take many times the memory.
"""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.domains.attributes import AttributeKind
from recommender.texts.names import distinct_names, name_key

NO_NAME = -1
# Size of the memo of rows: most rows repeat one of these; a larger memo would add few repeats.
_MOST_REMEMBERED = 50_000


class NumberedNames(NamedTuple):
    """Names of items as numbers. `names`: keys by number; numbers are in the order of first use.

    The numbers of the names of item i are `numbers[starts[i]:starts[i + 1]]`.
    """

    names: list[str]
    starts: NDArray[np.int64]
    numbers: NDArray[np.int32]


class SetValues:
    """Collect any number of names per item; spellings with the same key are one name."""

    def __init__(self) -> None:
        self._number_of: dict[str, int] = {}
        self._remembered: dict[tuple[str | None, ...], tuple[int, ...]] = {}
        self._lengths = array("q")
        self._numbers = array("i")
        self.as_written = 0

    def add(self, values: Sequence[Sequence[str | None] | None]) -> None:
        """Add the names of more items."""
        for names in values:
            spelled = tuple(names or ())
            numbers = self._remembered.get(spelled)
            if numbers is None:
                numbers = self._number(spelled)
            self.as_written += len(spelled)
            self._lengths.append(len(numbers))
            self._numbers.extend(numbers)

    def _number(self, spelled: tuple[str | None, ...]) -> tuple[int, ...]:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        known = self._number_of
        keys = distinct_names([name for name in spelled if name is not None])
        numbers = tuple(known.setdefault(key, len(known)) for key in keys)
        self._remembered[spelled] = numbers
        return numbers

    def in_order(self, order: NDArray[np.intp]) -> NumberedNames:
        """Return the names in another order of the items."""
        lengths = np.array(self._lengths, dtype=np.int64)
        before = np.cumsum(lengths) - lengths
        lengths = lengths[order]
        starts = np.concatenate(([0], np.cumsum(lengths)))
        entries = np.repeat(before[order] - starts[:-1], lengths) + np.arange(starts[-1])
        names, numbers = _renumbered(self._number_of, np.array(self._numbers, dtype=np.int32)[entries])
        return NumberedNames(names, starts, numbers)


class CategoryValues:
    """Collect one name per item, or none."""

    def __init__(self) -> None:
        self._number_of: dict[str, int] = {}
        self._remembered: dict[str | None, int] = {}
        self._numbers = array("i")

    def add(self, values: Sequence[str | None]) -> None:
        """Add the names of more items."""
        remembered = self._remembered
        for name in values:
            number = remembered.get(name)
            self._numbers.append(self._number(name) if number is None else number)

    def _number(self, name: str | None) -> int:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        key = name_key(name or "")
        number = self._number_of.setdefault(key, len(self._number_of)) if key else NO_NAME
        self._remembered[name] = number
        return number

    def in_order(self, order: NDArray[np.intp]) -> tuple[list[str], NDArray[np.int32]]:
        """Return names by number, and numbers in another order of the items, `NO_NAME` for none."""
        numbers = np.array(self._numbers, dtype=np.int32)[order]
        named = numbers != NO_NAME
        names, numbers[named] = _renumbered(self._number_of, numbers[named])
        return names, numbers


class NumberValues:
    """Collect one number per item, or none."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.float64]] = []

    def add(self, values: Sequence[float | None]) -> None:
        """Add the numbers of more items."""
        self._parts.append(np.array(values, dtype=np.float64))

    def in_order(self, order: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the numbers in another order of the items, NaN for none."""
        numbers = np.concatenate([np.empty(0), *self._parts])[order]
        # JSON has no infinity.
        numbers[np.isinf(numbers)] = np.nan
        return numbers


_COLLECTORS: dict[AttributeKind, type[SetValues | CategoryValues | NumberValues]] = {
    AttributeKind.SET: SetValues,
    AttributeKind.CATEGORY: CategoryValues,
    AttributeKind.NUMBER: NumberValues,
}


def values_of(kind: AttributeKind) -> SetValues | CategoryValues | NumberValues:
    """Return an empty collector for a kind of attribute: set, category or number."""
    return _COLLECTORS[kind]()


def comparable(
    values: SetValues | CategoryValues | NumberValues, positions: NDArray[np.intp]
) -> list[tuple[str, ...]]:
    """Return the values of some items as texts that compare alike, in whichever order items were read."""
    if isinstance(values, SetValues):
        listed, starts, numbers = values.in_order(positions)
        bounds = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
        return [tuple(sorted(listed[n] for n in numbers[begin:end])) for begin, end in bounds]
    if isinstance(values, CategoryValues):
        listed, numbers = values.in_order(positions)
        return [() if n == NO_NAME else (listed[n],) for n in numbers.tolist()]
    return [(repr(number),) for number in values.in_order(positions).tolist()]


def _renumbered(number_of: dict[str, int], numbers: NDArray[np.int32]) -> tuple[list[str], NDArray[np.int32]]:
    """Renumber names in the order of first use, so that numbers depend on nothing else."""
    found, first = np.unique(numbers, return_index=True)
    in_order = found[np.argsort(first)]
    new_number = np.zeros(len(number_of), dtype=np.int32)
    new_number[in_order] = np.arange(len(in_order), dtype=np.int32)
    names = list(number_of)
    return [names[number] for number in in_order.tolist()], new_number[numbers]
