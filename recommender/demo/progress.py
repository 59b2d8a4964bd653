"""How loading shows that it is getting on."""

from collections.abc import Iterable, Sequence
from typing import Protocol


class Progress(Protocol):
    """Passes rows through and shows how far along they are."""

    def __call__(
        self, rows: Iterable[Sequence[object]], label: str, length: int
    ) -> Iterable[Sequence[object]]:
        """The same rows; `length` of them are to come."""
        ...
