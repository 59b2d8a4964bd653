"""What every log record passes: a request's records get its id, and an outage does not fill the log."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from recommender.entities import DatabaseName
from recommender.telemetry import current_trace

_REPEAT_S = 5.0

_Key = tuple[str, str, str]


class RequestIdFilter(logging.Filter):
    """Gives every record of a request the request's id."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let all pass."""
        trace = current_trace()
        if trace is not None:
            record.request_id = trace.request_id
        return True


class OutageFilter(logging.Filter):
    """Lets a warning about a database through once in 5 s, and has the next one say how many it stands for.

    In an outage every request has the same to say. Warnings are the same that have logger, words and
    database in common.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._passed_at: dict[_Key, float] = {}
        self._dropped: dict[_Key, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is the first of its kind for a while."""
        database = _database_of(record) if record.levelno >= logging.WARNING else None
        if database is None:
            return True
        key = (record.name, str(record.msg), database)
        now = self._clock()
        with self._lock:
            if now - self._passed_at.get(key, float("-inf")) < _REPEAT_S:
                self._dropped[key] = self._dropped.get(key, 0) + 1
                return False
            self._passed_at[key] = now
            dropped = self._dropped.pop(key, 0)
        if dropped:
            record.dropped = dropped
        return True


def _database_of(record: logging.LogRecord) -> str | None:
    """The database a record names; psycopg's pools are named by theirs."""
    values = record.args if isinstance(record.args, tuple) else ()
    for value in values:
        if isinstance(value, DatabaseName):
            return value
    return str(values[0]) if values and record.name == "psycopg.pool" else None


# By name, as `config.logging.logging_config` takes them.
LOG_FILTERS: Final[Mapping[str, Callable[[], logging.Filter]]] = {
    "outage": OutageFilter,
    "request_id": RequestIdFilter,
}
