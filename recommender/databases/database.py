"""One pool, and the one function through which every statement of the service runs."""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from recommender.databases.breaker import Breaker
from recommender.databases.float_arrays import read_float_arrays_as_numpy
from recommender.databases.queries import Query
from recommender.deadline import Deadline
from recommender.domain import DatabaseName, DatabaseState
from recommender.errors import ConfigurationError, DatabaseUnavailableError

logger = logging.getLogger(__name__)

Row = tuple[Any, ...]
RV = TypeVar("RV")

# libpq's least.
_CONNECT_TIMEOUT_S = 2
_PROBE_TIMEOUT_S = 1.0
# What the network may take on top of a statement's own timeout before a connection counts as dead.
_NETWORK_GRACE_S = 2.0
_STREAM_ROWS = 500
# The pool doubles the wait between attempts to reconnect until this much time has passed, then waits for
# somebody to ask for a connection. Long, it would sleep through the end of an outage.
_RECONNECT_TIMEOUT_S = 1.0
# A statement that takes longer has the database count as slow.
_SLOW_S = 0.5
# So long without a statement, and nobody knows how the database is.
_IDLE_S = 5.0

# How many connections are kept for what is read whole: the catalogue index, and popularity in other windows
# than the configured one.
BACKGROUND_CONNECTIONS = {DatabaseName.CATALOG: 1, DatabaseName.ENGAGEMENT: 2}

# What every connection is set to, beside its statement timeout.
SESSION_SETTINGS = {
    "default_transaction_read_only": "on",
    # The window's start is in UTC; an overlay for timestamptz columns depends on the session's zone.
    "timezone": "UTC",
    # The statements are short, and many run at once: neither workers nor compiled code pay.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # Where the planner takes a user for an average one, it would rather collect all of a history and sort
    # it than read the index in order and stop at the LIMIT; the heaviest users are then read whole.
    "enable_bitmapscan": "off",
    # A plan is made once a connection, not again for each request, which would take longer than most of the
    # statements do; the plan tests hold both kinds to the same bounds.
    "plan_cache_mode": "force_generic_plan",
    # The indexes the statements live on are in memory, where the next page is as near as any other.
    "random_page_cost": "1.1",
    # A chunk of 100 users is aggregated without spilling to disk.
    "work_mem": "64MB",
}


class StatementRun(NamedTuple):
    """A statement that was run, well or not: `<database>.<query>`, and its time with the wait to run it."""

    name: str
    seconds: float


_recorders: ContextVar[tuple[list[StatementRun], ...]] = ContextVar("recorders", default=())


@contextmanager
def recorded_statements(runs: list[StatementRun] | None = None) -> Iterator[list[StatementRun]]:
    """Collect every statement this context runs, in `runs` if given; may be nested."""
    runs = [] if runs is None else runs
    token = _recorders.set((*_recorders.get(), runs))
    try:
        yield runs
    finally:
        _recorders.reset(token)


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a pool behaves.

    `prepared_statements` must be off behind PgBouncer in transaction mode. `breaker`: stop asking for a while
    where asking has failed; for callers that have something else to give.
    """

    size: int = 10
    pool_timeout_ms: int = 1_000
    statement_timeout_ms: int = 5_000
    prepared_statements: bool = True
    breaker: bool = False

    @property
    def patience_s(self) -> float:
        """How long to wait for a statement where nobody says; without a statement timeout, for ever."""
        return self.statement_timeout_ms / 1000 + _NETWORK_GRACE_S if self.statement_timeout_ms else math.inf


class BoundedConnection(psycopg.Connection[Row]):
    """Waits for the server no longer than until its deadline, where it has one, whatever the network does."""

    deadline: Deadline | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """What the driver calls wherever it waits."""
        if self.deadline is not None and math.isfinite(self.deadline.ends_at):
            timeout = self.deadline.remaining_s
        return super().wait(gen, interval, timeout)


class Database:
    """A read-only pool on one database, and its queries by name.

    Nothing connects until `open`, so that an instance may be made before a fork.
    """

    def __init__(
        self,
        name: DatabaseName,
        url: str,
        queries: Mapping[str, Query],
        options: PoolOptions,
    ) -> None:
        self.name = name
        self._queries = queries
        self._options = options
        self._state = DatabaseState.DOWN
        self._asked_at = -math.inf
        self._pool: ConnectionPool[BoundedConnection] = ConnectionPool(
            url,
            connection_class=BoundedConnection,
            kwargs=connection_arguments(name, url, options),
            min_size=0,
            max_size=options.size,
            timeout=options.pool_timeout_ms / 1000,
            reconnect_timeout=_RECONNECT_TIMEOUT_S,
            open=False,
            name=name.value,
            configure=read_float_arrays_as_numpy,
        )
        self._breaker = Breaker(name, self._answers, self._pool.drain) if options.breaker else None

    def open(self) -> None:
        """Start the pool; safe to call twice. Does not wait for a connection."""
        self._pool.open()

    def close(self) -> None:
        """Close every connection; the instance cannot be opened again."""
        if self._breaker is not None:
            self._breaker.close()
        self._pool.close()

    @property
    def state(self) -> DatabaseState:
        """How the last statement went, and down while nobody is let through; down until there was one."""
        return self._state if self._breaker is None or self._breaker.closed else DatabaseState.DOWN

    def pool_stats(self) -> Mapping[str, int]:
        """What the pool counts, by psycopg_pool's names."""
        return self._pool.get_stats()

    def check(self) -> None:
        """Bring `state` up to date where no request has done so of late."""
        if time.monotonic() - self._asked_at < _IDLE_S and self.state is not DatabaseState.DOWN:
            return
        # A closed breaker counts requests' failures; that a connection works undoes none of them.
        breaker = None if self._breaker is None or self._breaker.closed else self._breaker
        if breaker is not None and not breaker.admit_in_place_of_requests():
            return
        started = time.perf_counter()
        answered = self._answers()
        self._note(started, answered=answered)
        if breaker is not None:
            breaker.note(answered=answered)

    def fetch(self, query_name: str, deadline: Deadline | None = None, **parameters: object) -> list[Row]:
        """Run one query and return its rows, waiting no longer than until the deadline.

        A connection that turns out dead was most likely cut by a server restart while it sat in the
        pool: its siblings are dropped too, and the statement is tried once more on a new one.

        Raises:
            DatabaseUnavailableError: no connection in time, the statement failed or took too long, or it is
                known that it would.
        """
        query = self._queries[query_name]
        if deadline is None:
            deadline = Deadline.after(self._options.patience_s)
        # Without any time there is nothing to learn about the database.
        if not deadline.remaining_s or (self._breaker is not None and not self._breaker.admit()):
            raise DatabaseUnavailableError(self.name)
        answered = True
        try:
            try:
                return self._run(query, parameters, deadline)
            except _ConnectionLostError:
                self._pool.drain()
                return self._run(query, parameters, deadline)
        except (psycopg.Error, _ConnectionLostError) as exc:
            answered = not isinstance(exc, psycopg.OperationalError | _ConnectionLostError)
            # A line: in an outage many requests log one, and the driver's words say all there is to say.
            reason = " ".join(str(exc.__cause__ or exc).split())
            logger.warning("%s.%s failed: %s: %s", self.name, query_name, type(exc).__name__, reason)
            raise DatabaseUnavailableError(self.name) from exc
        finally:
            if self._breaker is not None:
                self._breaker.note(answered=answered)

    def stream(self, query_name: str, **parameters: object) -> Iterator[Row]:
        """Run one query and yield its rows through a cursor, in memory that does not grow with them.

        Raises:
            DatabaseUnavailableError: no connection in time, or the statement failed on the way.
        """
        query = self._queries[query_name]
        try:
            with (
                self._pool.connection() as connection,
                connection.transaction(),
                connection.cursor("stream", binary=True) as cursor,
            ):
                cursor.itersize = _STREAM_ROWS
                cursor.execute(query.statement, parameters)
                yield from cursor
        except psycopg.Error as exc:
            raise DatabaseUnavailableError(self.name) from exc

    def _run(self, query: Query, parameters: Mapping[str, object], deadline: Deadline) -> list[Row]:
        """Run a statement, and note how long it took and how the database did."""
        started = time.perf_counter()
        answered = False
        try:
            rows = self._execute(query, parameters, deadline)
            answered = True
            return rows
        finally:
            run = StatementRun(f"{self.name}.{query.name}", self._note(started, answered=answered))
            for runs in _recorders.get():
                runs.append(run)

    def _note(self, started: float, *, answered: bool) -> float:
        seconds = time.perf_counter() - started
        in_time = DatabaseState.UP if seconds <= _SLOW_S else DatabaseState.SLOW
        self._state = in_time if answered else DatabaseState.DOWN
        self._asked_at = time.monotonic()
        return seconds

    def _execute(self, query: Query, parameters: Mapping[str, object], deadline: Deadline) -> list[Row]:
        patience_s = min(self._options.pool_timeout_ms / 1000, deadline.remaining_s)
        with self._pool.connection(timeout=patience_s) as connection:
            connection.deadline = deadline
            try:
                with connection.cursor(binary=True) as cursor:
                    return cursor.execute(query.statement, parameters).fetchall()
            except psycopg.OperationalError as exc:
                if connection.broken:
                    raise _ConnectionLostError from exc
                if connection.info.transaction_status is TransactionStatus.ACTIVE:
                    # Given up on, with the answer still to come: nobody else may get to read it.
                    connection.close()
                raise
            finally:
                connection.deadline = None

    def _answers(self) -> bool:
        """Whether a connection can be had, and does anything."""
        try:
            with self._pool.connection(timeout=_PROBE_TIMEOUT_S) as connection:
                connection.deadline = Deadline.after(_PROBE_TIMEOUT_S)
                try:
                    self._pool.check_connection(connection)
                finally:
                    connection.deadline = None
        except psycopg.Error:
            return False
        return True


class _ConnectionLostError(Exception):
    """The connection broke while the statement ran."""


def connection_arguments(name: DatabaseName, url: str, options: PoolOptions) -> dict[str, Any]:
    """How every connection is made, beside its URL.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        # The driver's message may quote the URL, password and all.
        raise ConfigurationError(f"the URL of {name} is not a valid PostgreSQL URL") from None
    settings = {**SESSION_SETTINGS, "statement_timeout": str(options.statement_timeout_ms)}
    flags = [str(given.get("options") or "")] + [f"-c {k}={v}" for k, v in settings.items()]
    return {
        "autocommit": True,
        "application_name": "marquee",
        "client_encoding": "UTF8",
        "connect_timeout": _CONNECT_TIMEOUT_S,
        # A host that is gone without a word is noticed in seconds, not in the kernel's quarter of an hour.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": options.statement_timeout_ms + 5_000,
        "options": " ".join(flags).strip(),
        "prepare_threshold": 0 if options.prepared_statements else None,
    }
