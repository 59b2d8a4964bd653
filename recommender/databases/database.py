"""One pool, and the one function through which every statement of the service runs."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from recommender.databases.float_arrays import read_float_arrays_as_numpy
from recommender.databases.queries import Query
from recommender.domain import DatabaseName, DatabaseState
from recommender.errors import ConfigurationError, DatabaseUnavailableError

logger = logging.getLogger(__name__)

Row = tuple[Any, ...]

_CONNECT_TIMEOUT_S = 2
_STREAM_ROWS = 500
# The pool doubles the wait between attempts to reconnect until this much time has passed, then waits for
# somebody to ask for a connection. Long, it would sleep through the end of an outage.
_RECONNECT_TIMEOUT_S = 1.0
_SLOW_S = 0.5
_IDLE_S = 5.0

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
    """How a pool behaves. `prepared_statements` must be off behind PgBouncer in transaction mode."""

    size: int = 10
    pool_timeout_ms: int = 1_000
    statement_timeout_ms: int = 5_000
    prepared_statements: bool = True


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
        self._state = DatabaseState.DOWN
        self._asked_at = float("-inf")
        self._pool: ConnectionPool[psycopg.Connection[Row]] = ConnectionPool(
            url,
            kwargs=_connection_arguments(name, url, options),
            min_size=0,
            max_size=options.size,
            timeout=options.pool_timeout_ms / 1000,
            reconnect_timeout=_RECONNECT_TIMEOUT_S,
            open=False,
            name=name.value,
            configure=read_float_arrays_as_numpy,
        )

    def open(self) -> None:
        """Start the pool; safe to call twice. Does not wait for a connection."""
        self._pool.open()

    def close(self) -> None:
        """Close every connection; the instance cannot be opened again."""
        self._pool.close()

    @property
    def state(self) -> DatabaseState:
        """How the last statement went; down until there was one."""
        return self._state

    def pool_stats(self) -> Mapping[str, int]:
        """What the pool counts, by psycopg_pool's names."""
        return self._pool.get_stats()

    def check(self) -> None:
        """Bring `state` up to date where no request has done so of late."""
        if time.monotonic() - self._asked_at < _IDLE_S and self._state is not DatabaseState.DOWN:
            return
        started = time.perf_counter()
        answered = False
        with suppress(psycopg.Error, PoolTimeout, PoolClosed):
            with self._pool.connection() as connection:
                self._pool.check_connection(connection)
            answered = True
        self._note(started, answered=answered)

    def fetch(self, query_name: str, **parameters: object) -> list[Row]:
        """Run one query and return its rows.

        A connection that turns out dead was most likely cut by a server restart while it sat in the
        pool: its siblings are dropped too, and the statement is tried once more on a new one.

        Raises:
            DatabaseUnavailableError: no connection in time, or the statement failed.
        """
        query = self._queries[query_name]
        try:
            try:
                return self._run(query, parameters)
            except _ConnectionLostError:
                self._pool.drain()
                return self._run(query, parameters)
        except (psycopg.Error, PoolTimeout, _ConnectionLostError) as exc:
            # A line: in an outage every request logs one, and the driver's words say all there is to say.
            reason = " ".join(str(exc.__cause__ or exc).split())
            logger.warning("%s.%s failed: %s: %s", self.name, query_name, type(exc).__name__, reason)
            raise DatabaseUnavailableError(self.name) from exc

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
        except (psycopg.Error, PoolTimeout) as exc:
            raise DatabaseUnavailableError(self.name) from exc

    def _run(self, query: Query, parameters: Mapping[str, object]) -> list[Row]:
        """Run a statement, and note how long it took and how the database did."""
        started = time.perf_counter()
        answered = False
        try:
            rows = self._execute(query, parameters)
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

    def _execute(self, query: Query, parameters: Mapping[str, object]) -> list[Row]:
        with self._pool.connection() as connection:
            try:
                with connection.cursor(binary=True) as cursor:
                    return cursor.execute(query.statement, parameters).fetchall()
            except psycopg.OperationalError as exc:
                if connection.broken:
                    raise _ConnectionLostError from exc
                raise


class _ConnectionLostError(Exception):
    """The connection broke while the statement ran."""


def _connection_arguments(name: DatabaseName, url: str, options: PoolOptions) -> dict[str, object]:
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
