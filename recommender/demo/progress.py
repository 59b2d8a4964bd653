"""The interface for showing the progress of loading."""

from collections.abc import Iterable, Sequence
from typing import Protocol

Row = Sequence[object]


class ProgressBar(Protocol):
    """Yields rows and shows progress."""

    def __call__(self, rows: Iterable[Row], label: str, length: int) -> Iterable[Row]:
        """Yield the same rows; `length` is their number."""
        ...
