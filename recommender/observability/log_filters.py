"""Log filters: add the request id to records, and drop repeated warnings of an outage or a failing model."""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from recommender.entities import DatabaseName
from recommender.observability.telemetry import current_trace

_REPEAT_S = 5.0
# How Gunicorn's lines about a request begin. The first ones quote the bytes that it does not understand.
_ON_READING = ("Invalid request from ip=", "Ignored premature client disconnection.", "Closing connection.")
_ON_ANSWERING = "Error handling request"
# What precedes the first quotation: the address of the client, if given, and the kind of the error.
_KIND = re.compile(r"(Invalid request from ip=\S*: )?[^'\":]*")

_DATABASES = frozenset(map(str, DatabaseName))

_Key = tuple[str, ...]


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


class RepetitionFilter(logging.Filter):
    """Passes equal warnings and errors once in 5 s; the next one states how many were dropped.

    In an outage, or while a model fails, every request logs the same. Records about a database are equal if
    logger, message, database, statement and outcome are: the driver's reason may differ. Records with the
    attribute `subject` are equal if logger, message and `subject` are. All others pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._passed_at: dict[_Key, float] = {}
        self._dropped: dict[_Key, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether no equal record passed within 5 s."""
        about = _subject_of(record) if record.levelno >= logging.WARNING else ()
        if not about:
            return True
        key = (record.name, str(record.msg), *about)
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


def _subject_of(record: logging.LogRecord) -> tuple[str, ...]:
    """Return what a record about a database or a model is about; nothing if it names neither.

    Of a database, these are its values up to the last one of a fixed set, such as an outcome. A reason
    follows, which may differ each time. A pool of psycopg names its database by a plain text.
    """
    subject: tuple[str, ...] = getattr(record, "subject", ())
    if subject:
        return subject
    values = record.args if isinstance(record.args, tuple) else ()
    if not any(isinstance(value, str) and value in _DATABASES for value in values):
        return ()
    last = max(
        number
        for number, value in enumerate(values)
        if isinstance(value, Enum) or (isinstance(value, str) and value in _DATABASES)
    )
    return tuple(str(value) for value in values[: last + 1])


# By name, for `config.logging.logging_config`.
LOG_FILTERS: Final[Mapping[str, Callable[[], logging.Filter]]] = {
    "outage": RepetitionFilter,
    "request_text": RequestTextFilter,
    "request_id": RequestIdFilter,
}
