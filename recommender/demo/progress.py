"""How loading shows that it is getting on."""

from collections.abc import Iterable, Sequence
from typing import Protocol

Row = Sequence[object]


class Progress(Protocol):
    """Passes rows through and shows how far along they are."""

    def __call__(self, rows: Iterable[Row], label: str, length: int) -> Iterable[Row]:
        """The same rows; `length` of them are to come."""
        ...
