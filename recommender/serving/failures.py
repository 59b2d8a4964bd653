"""Records the databases that did not answer during a request."""

from types import TracebackType

from recommender.entities import DatabaseName, in_order
from recommender.errors import DatabaseUnavailableError


class Failures:
    """Context manager that records a database if it does not answer, and ends the block.

    Variables that the block assigns keep their previous values.
    """

    def __init__(self) -> None:
        self._names: set[DatabaseName] = set()

    @property
    def names(self) -> tuple[DatabaseName, ...]:
        """Return the databases, in the order of answers."""
        return in_order(self._names)

    def add(self, name: DatabaseName) -> None:
        """Record a database."""
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
