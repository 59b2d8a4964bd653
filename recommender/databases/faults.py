"""Remember which statements fail on connections that work."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from recommender.databases.queries import Query

# A statement that has failed so often in a row fails for all requests, not for unusual data of one.
_IN_A_ROW = 3
# After this long without another failure, it is no longer known whether the statement fails.
_KNOWN_FOR_S = 600.0


@dataclass(slots=True)
class _Fault:
    """A statement that has failed since it last succeeded. `refused`: a check has found it rejected."""

    query: Query
    failures: int = 0
    failed_at: float = 0.0
    refused: bool = False

    @property
    def is_lasting(self) -> bool:
        is_recent = time.monotonic() - self.failed_at < _KNOWN_FOR_S
        return not self.refused and self.failures >= _IN_A_ROW and is_recent


class FaultyStatements:
    """The statements of one database that have failed and not succeeded since. Thread-safe."""

    def __init__(self) -> None:
        self._faults: dict[str, _Fault] = {}

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._faults)

    def failed(self, query: Query) -> None:
        """Note that a statement has failed."""
        fault = self._faults.setdefault(query.name, _Fault(query))
        fault.failures += 1
        fault.failed_at = time.monotonic()

    def succeeded(self, query: Query) -> None:
        """Note that a statement has succeeded."""
        self._faults.pop(query.name, None)

    def check(self, accepts: Callable[[Query], bool]) -> None:
        """Forget statements that the server accepts again.

        One that it has accepted all the time, and that fails each time when it runs, is kept until it
        succeeds.

        Args:
            accepts: returns whether the server would begin to run a statement.
        """
        for fault in list(self._faults.values()):
            if not accepts(fault.query):
                fault.refused = True
            elif not fault.is_lasting:
                self._faults.pop(fault.query.name, None)
