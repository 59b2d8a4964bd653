"""Which databases did not answer while a request was answered."""

from types import TracebackType

from recommender.entities import DatabaseName, in_order
from recommender.errors import DatabaseUnavailableError


class Failures:
    """Notes a database that does not answer inside a `with` block, which then ends early.

    What the block was to fill keeps the value it had before.
    """

    def __init__(self) -> None:
        self._names: set[DatabaseName] = set()

    @property
    def names(self) -> tuple[DatabaseName, ...]:
        """The databases, in the order in which answers name them."""
        return in_order(self._names)

    def add(self, name: DatabaseName) -> None:
        """Note a database."""
        self._names.add(name)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(exc, DatabaseUnavailableError):
            self.add(exc.database)
            return True
        return False
