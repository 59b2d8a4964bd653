"""Reads CSV files, and files with `::` between values, line by line, even if damaged.

The csv module alone would read all lines from an unmatched quote to the next quote as one value. Here each
line is a record, with one exception: a quoted value continues on the next lines if these are not records
themselves.
"""

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from recommender.demo.line_notes import Line, ReadNotes
from recommender.errors import LoadError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Column names have fewer digits and do not begin with one, unlike ids, years and times.
_DIGITS_OF_DATA = 3
_NAMES_OF_A_HEADER = 2
_LINES_OF_A_RECORD = 10
_SHOWN_CHARACTERS = 200
_STRAY_QUOTE = "line has an unmatched quote, which was read as a character"


class Record(NamedTuple):
    """A line, and its values in the order of the requested columns, without blanks around them."""

    line: Line
    values: list[str]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The number of values in a line, and the positions of the requested ones."""

    width: int
    positions: Sequence[int]
    has_header: bool


class DelimitedFile:
    """A file of records; with a header in any order of columns, or without one in the order of `columns`.

    Args:
        path: the file; commas separate the values if its suffix is `.csv`, else `::`.
        columns: names of the columns to read, without regard to case, blanks, `_` and `-`.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self._columns = columns
        self._is_csv = path.suffix.lower() == ".csv"

    def records(self, notes: ReadNotes) -> Iterator[Record]:
        """Yield the readable records in order; others are noted. Blank lines are skipped.

        Raises:
            LoadError: the first line is neither data nor a header with every column, or the file is UTF-16.
            OSError: the file cannot be read.
        """
        lines = self._lines(notes)
        first = next(lines, None)
        if first is None:
            raise LoadError(f"{self.path} is empty")
        layout = self._layout(first)
        for line, values in self._rows(lines if layout.has_header else chain([first], lines), layout, notes):
            if len(values) == layout.width:
                yield Record(line, [values[position].strip() for position in layout.positions])
            elif layout.has_header:
                notes.skipped.add(f"line does not have the {layout.width} values of the header", line)
            else:
                notes.skipped.add(f"line is not {', '.join(self._columns)}", line)

    def _lines(self, notes: ReadNotes) -> Iterator[Line]:
        """Decode the lines that are not blank; they end in LF, CR or both."""
        number = 0
        with self.path.open("rb") as file:
            for block in file:
                if number == 0 and block.startswith(_UTF_16):
                    raise LoadError(f"{self.path} is UTF-16; save it as UTF-8")
                # Bytes split only at CR and LF; text would also split at U+2028 and others.
                for data in block.splitlines():
                    number += 1
                    line = self._decoded(data, number, notes)
                    if line.text.strip():
                        yield line

    def _decoded(self, data: bytes, number: int, notes: ReadNotes) -> Line:
        try:
            text = data.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            # One line at a time, so that a damaged line does not affect the others.
            line = Line(self.path, number, _windows_1252(data))
            notes.adjusted.add("line is not UTF-8, and was read as Windows-1252", line)
            text = line.text
        if "\0" in text:
            # PostgreSQL's text cannot hold NUL.
            text = text.replace("\0", "")
            notes.adjusted.add("NUL characters were left out", Line(self.path, number, text))
        return Line(self.path, number, text)

    def _layout(self, first: Line) -> _Layout:
        """Find the columns by the first line.

        Raises:
            LoadError: it is neither data nor a header with every column once.
        """
        found = self._values(first.text)
        names, wanted = [_folded(name) for name in found], [_folded(name) for name in self._columns]
        missing = [name for name in self._columns if _folded(name) not in names]
        known = len(wanted) - len(missing)
        if missing and known < _NAMES_OF_A_HEADER and any(map(_is_like_data, found)):
            return _Layout(len(wanted), range(len(wanted)), has_header=False)
        if missing:
            problem = f"lacks the column {', '.join(missing)}"
        elif any(names.count(name) > 1 for name in wanted):
            problem = "has two columns of one name"
        else:
            return _Layout(len(found), [names.index(name) for name in wanted], has_header=True)
        shown = ", ".join(value.strip() for value in found)[:_SHOWN_CHARACTERS]
        raise LoadError(
            f"{self.path}: line {first.number} {problem}; it has: {shown}. Needed are "
            f"{', '.join(self._columns)}: in any order below a header, in this order without one"
        )

    def _rows(
        self, lines: Iterable[Line], layout: _Layout, notes: ReadNotes
    ) -> Iterator[tuple[Line, list[str]]]:
        lines, waiting = iter(lines), deque[Line]()
        while (line := waiting.popleft() if waiting else next(lines, None)) is not None:
            values = self._values(line.text)
            if self._is_csv and '"' in line.text and _quoted(line.text) is None:
                joined = self._joined(line, lines, waiting, layout.width)
                if joined is None and len(values) == layout.width:
                    notes.adjusted.add(_STRAY_QUOTE, line)
                values = joined or values
            yield line, values

    def _joined(
        self, first: Line, lines: Iterator[Line], waiting: deque[Line], width: int
    ) -> list[str] | None:
        """Return the record that begins on a line, with the following lines of its quoted value.

        Args:
            first: a line that is not CSV by itself.
            lines: the rest of the file.
            waiting: lines read ahead; unused ones stay there.
            width: how many values a record has.
        """
        text = first.text
        for ahead in range(_LINES_OF_A_RECORD - 1):
            if ahead == len(waiting):
                waiting.extend(line for line in [next(lines, None)] if line is not None)
            if ahead == len(waiting) or len(self._values(waiting[ahead].text)) >= width:
                return None
            text = f"{text}\n{waiting[ahead].text}"
            values = _quoted(text)
            if values is not None and len(values) == width:
                for _ in range(ahead + 1):
                    waiting.popleft()
                return values
        return None

    def _values(self, text: str) -> list[str]:
        """Split a line; invalid CSV quotes are ordinary characters."""
        if not self._is_csv:
            return text.split("::")
        values = _quoted(text) if '"' in text else None
        return text.split(",") if values is None else values


def _quoted(text: str) -> list[str] | None:
    """Split a CSV record; None if its quotes are not balanced."""
    try:
        return next(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error:
        return None


def _windows_1252(data: bytes) -> str:
    """Decode bytes that are not UTF-8 as Windows-1252, which has Latin-1's letters, else as Latin-1."""
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _folded(name: str) -> str:
    """Return a column's name in comparable form: `movie_id` and `Movie ID` are `movieid`."""
    return "".join(char for char in name.casefold() if char not in " _-\t\ufeff")


def _is_like_data(value: str) -> bool:
    value = value.strip()
    return value[:1].isdigit() or sum(map(str.isdigit, value)) >= _DIGITS_OF_DATA
