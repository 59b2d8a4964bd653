"""Log filters: add the request id to records, and drop repeated warnings of an outage."""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from recommender.entities import DatabaseName
from recommender.telemetry import current_trace

_REPEAT_S = 5.0
# How Gunicorn's lines about a request begin. The first ones quote the bytes that it does not understand.
_ON_READING = ("Invalid request from ip=", "Ignored premature client disconnection.", "Closing connection.")
_ON_ANSWERING = "Error handling request"
# Up to the first quotation: an address has no spaces, the kind of an error no quotes.
_KIND = re.compile(r"(Invalid request from ip=\S*: )?[^'\":]*")

_Key = tuple[str, str, str]


class RequestIdFilter(logging.Filter):
    """Adds the request id to each record of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every record."""
        trace = current_trace()
        if trace is not None:
            record.request_id = trace.request_id
        return True


class RequestTextFilter(logging.Filter):
    """Removes the text of requests from Gunicorn's lines about them: it may hold query strings and keys.

    What is left names the kind of error.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every record, without what it quotes of a request."""
        if record.name != "gunicorn.error":
            return True
        message = str(record.msg)
        if message.startswith(_ON_ANSWERING) and isinstance(record.args, tuple):
            record.args = tuple(str(value).partition("?")[0] for value in record.args)
        elif message.startswith(_ON_READING):
            found = _KIND.match(record.getMessage())
            record.msg, record.args = found[0].rstrip(": ") if found else _ON_READING[0], ()
        return True


class OutageFilter(logging.Filter):
    """Passes equal warnings about a database once in 5 s; the next one states how many were dropped.

    In an outage every request logs the same. Warnings are equal if logger, message and database are.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._passed_at: dict[_Key, float] = {}
        self._dropped: dict[_Key, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether no equal record passed within 5 s."""
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
    """Return the database that a record names. Pools of psycopg have the name of their database."""
    values = record.args if isinstance(record.args, tuple) else ()
    for value in values:
        if isinstance(value, DatabaseName):
            return value
    return str(values[0]) if values and record.name == "psycopg.pool" else None


# By name, for `config.logging.logging_config`.
LOG_FILTERS: Final[Mapping[str, Callable[[], logging.Filter]]] = {
    "outage": OutageFilter,
    "request_text": RequestTextFilter,
    "request_id": RequestIdFilter,
}
