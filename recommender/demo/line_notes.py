"""Lines that were skipped or changed: counts by reason, with the first few of each to show."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_KEPT = 3
_SHOWN_CHARACTERS = 80


class Line(NamedTuple):
    """A line of a file, counted from 1, and its text without the line break."""

    path: Path
    number: int
    text: str

    def __str__(self) -> str:
        """The file's name, the line's number, and the beginning of its text, control characters escaped."""
        shown = self.text[:_SHOWN_CHARACTERS].replace("\\", "\\\\")
        shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown)
        more = "…" if len(self.text) > _SHOWN_CHARACTERS else ""
        return f"{self.path.name}, line {self.number:,}: {shown}{more}"


class LineNotes:
    """Counts lines by reason, and keeps the first few of each reason. False if empty."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, list[Line]] = defaultdict(list)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __iter__(self) -> Iterator[tuple[str, int, list[Line]]]:
        """Yield each reason with its number of lines and the first of them, most frequent first."""
        for reason, count in self._counts.most_common():
            yield reason, count, self._first[reason]

    def add(self, reason: str, line: Line) -> None:
        """Count a line."""
        self._counts[reason] += 1
        if len(self._first[reason]) < _KEPT:
            self._first[reason].append(line)

    def include(self, other: "LineNotes") -> None:
        """Add the counts and first lines of another."""
        for reason, count, first in other:
            self._counts[reason] += count
            self._first[reason] = [*self._first[reason], *first][:_KEPT]


@dataclass(frozen=True, slots=True)
class ReadNotes:
    """Lines of a file that were left out (`skipped`) or read in another form (`adjusted`)."""

    skipped: LineNotes = field(default_factory=LineNotes)
    adjusted: LineNotes = field(default_factory=LineNotes)
