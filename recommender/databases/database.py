"""One pool, and the one function through which every statement of the service runs."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout

from config.database_settings import DatabaseSettings
from recommender.databases.breaker import Breaker
from recommender.databases.chunks import Chunks, chunks_of, chunks_received
from recommender.databases.connections import (
    BoundedConnection,
    Connector,
    Purpose,
    Row,
    set_for_transaction,
    sole_timeout,
    statement_patience_s,
)
from recommender.databases.faults import FaultyStatements
from recommender.databases.outcomes import StatementOutcome
from recommender.databases.pool import SentStatement, StatementError, StatementPool
from recommender.databases.probing import database_answers, pool_answers
from recommender.databases.queries import Query, load_queries
from recommender.databases.recording import StatementRun, record
from recommender.databases.sending import Sent, raising, settled
from recommender.databases.statements import fetch_rows
from recommender.databases.texts import statement_for
from recommender.deadline import Deadline
from recommender.entities import DatabaseName, DatabaseState
from recommender.errors import DatabaseUnavailableError, StatementTimeoutError, one_line

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How long a probe may take before requests no longer wait, beside what hosts that do not answer take.
_PATIENCE_S = 1.0
_STREAM_ROWS = 500
# The wait doubles after each attempt of a statement that conflicts more than once.
_CONFLICT_PAUSE_S = 0.005
# A statement is sent ahead only with so many free connections: its own is busy until the rows are received,
# and other requests need one.
_FREE_TO_SEND = 2
# How long a transaction of several reads may be idle between two reads.
_LONGEST_PAUSE = "1h"
# How long reads of commands wait for a lock, which an idle transaction may hold.
_LONGEST_LOCK = "5min"
# A database with a statement that takes longer counts as slow.
_SLOW_S = 0.5
# After this long without a statement, the state of the database is unknown.
_IDLE_S = 5.0


class Database:
    """A read-only pool on one database, and its queries by name.

    `breaker`: stop querying a database that is down; for callers that have a fallback. Nothing connects
    before `open`, so that an instance may be made before a fork.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: the database's URL or an SQL file is unusable.
    """

    def __init__(
        self,
        name: DatabaseName,
        settings: DatabaseSettings,
        *,
        breaker: bool = False,
        purpose: Purpose = Purpose.REQUESTS,
    ) -> None:
        self.name = name
        self._queries = load_queries(name, settings.sql_path)
        self._settings = settings
        self._patience_s = statement_patience_s(settings)
        self._state = DatabaseState.DOWN
        self._asked_at = -math.inf
        self._faulty = FaultyStatements()
        # The statement that failed last, which the probe prepares.
        self._suspect: Query | None = None
        self._connector = Connector(name, settings, purpose)
        self._pool = self._new_pool()
        self._breaker = self._new_breaker() if breaker else None

    def _new_pool(self) -> StatementPool:
        return StatementPool(self.name, self._connector, self._settings)

    def _new_breaker(self) -> Breaker:
        return Breaker(
            self.name,
            # `open` may replace the pool.
            lambda: database_answers(self._pool, self._connector, self._suspect),
            patience_s=lambda: _PATIENCE_S + self._connector.other_hosts_s,
            answered_at=lambda: self._pool.answered_at,
            on_close=self._note_recovery,
        )

    def open(self) -> None:
        """Start the pool; safe to call twice. Does not wait for a connection.

        Raises:
            RuntimeError: no more threads can be started; another call tries again.
        """
        try:
            self._pool.open()
        except RuntimeError:
            # It counts as open, but lacks threads, and cannot be opened again.
            self._pool.close()
            self._pool = self._new_pool()
            raise
        if self._breaker is not None:
            self._breaker.start()

    def close(self) -> None:
        """Close all connections; the instance cannot be opened again."""
        if self._breaker is not None:
            self._breaker.stop()
        self._pool.close()

    @property
    def state(self) -> DatabaseState:
        """Return how the last statement went.

        It is down before the first one, while the breaker is open, and after any statement has failed by a
        fault, until that statement succeeds or a check finds that the server accepts it.
        """
        return self._state if self._may_query and not self._faulty else DatabaseState.DOWN

    def has_query(self, query_name: str) -> bool:
        """Return whether there is a query of a name; optional queries exist only with an overlay."""
        return query_name in self._queries

    def pool_stats(self) -> Mapping[str, int]:
        """Return the pool's counters by psycopg_pool's names, with failed connections of probes.

        While a database is down, only probes connect.
        """
        stats = self._pool.get_stats()
        errors = stats.get("connections_errors", 0) + self._connector.failures
        return {**stats, "connections_errors": errors}

    @property
    def has_connections_to_spare(self) -> bool:
        """Return whether a statement may be sent ahead without taking another request's connection."""
        return self._pool.free_connections >= _FREE_TO_SEND

    def check(self) -> None:
        """Update `state` if no request has done so for a while."""
        if time.monotonic() - self._asked_at < _IDLE_S and self.state is not DatabaseState.DOWN:
            return
        # While the breaker is open, its own probe updates the state.
        if not self._may_query:
            return
        started = time.perf_counter()
        answers = pool_answers(self._pool, self._faulty)
        self._note(started, None if answers else StatementOutcome.NO_CONNECTION)

    def fetch(self, query_name: str, deadline: Deadline | None = None, **parameters: object) -> list[Row]:
        """Run one query and return its rows, or fail at the deadline.

        A dead connection was most likely cut by a server restart, and an invalid prepared statement by DDL.
        The other pooled connections are then dropped, too, and the statement is retried once on a new one. If
        the server asks for retries, as a standby does, there are a few.

        Raises:
            StatementTimeoutError: the statement took longer than the deadline, or the server, allows.
            DatabaseUnavailableError: no connection in time, the statement failed, or the database is known
                to be down.
        """
        query = self._queries[query_name]
        if deadline is None:
            deadline = Deadline.after(self._patience_s)
        return self._try(query, lambda connection: fetch_rows(connection, query, parameters), deadline)

    @contextmanager
    def sending(
        self, query_name: str, deadline: Deadline, **parameters: object
    ) -> Iterator[Callable[[], list[Row]]]:
        """Send one query, and yield a function that waits for its rows; meanwhile other servers can work.

        Call that once. It retries, raises and records as `fetch` does. The time recorded is what this thread
        has waited, for a connection and for the rows. If few connections are free, the query is run at once:
        none is then kept busy while another server works.
        """
        if not self.has_connections_to_spare:
            yield settled(lambda: self.fetch(query_name, deadline, **parameters))
            return
        query = self._queries[query_name]
        try:
            self._require_reachable(deadline)
        except DatabaseUnavailableError as exc:
            yield raising(exc)
            return
        sent: SentStatement | None = None
        started = time.perf_counter()
        try:
            sent = self._pool.send(query, parameters, deadline)
            first = Sent(sent.receive, time.perf_counter() - started)
        except StatementError as exc:
            first = Sent(raising(exc), time.perf_counter() - started)
        try:
            yield lambda: self._try(
                query, lambda connection: fetch_rows(connection, query, parameters), deadline, first
            )
        finally:
            if sent is not None:
                sent.close()

    def read(self, query_name: str, collect: Callable[[Chunks], T], **parameters: object) -> T:
        """Run one query of many rows, pass them to `collect`, and return its result; restarted on a retry.

        Raises:
            DatabaseUnavailableError: as `fetch`.
        """
        query = self._queries[query_name]

        def read_all(connection: BoundedConnection) -> T:
            with connection.cursor(binary=True) as cursor:
                with connection.transaction():
                    self._set_for_long(connection)
                    cursor.execute(statement_for(connection, query.statement), parameters)
                # After the transaction: collecting may take longer than the deadline, and needs no locks.
                return collect(chunks_received(cursor))

        return self._try(query, read_all, Deadline.after(self._patience_s))

    def read_snapshot(
        self, reads: Sequence[tuple[str, Callable[[Chunks], T]]], **parameters: object
    ) -> list[T]:
        """Run several queries in one snapshot of the database, each as `read` does.

        Raises:
            DatabaseUnavailableError: as `fetch`.
        """
        queries = [(self._queries[query_name], collect) for query_name, collect in reads]

        def read_all(connection: BoundedConnection) -> list[Any]:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            try:
                with connection.transaction():
                    self._set_for_long(connection)
                    return [collect(chunks_of(connection, query, parameters)) for query, collect in queries]
            finally:
                if not connection.broken and connection.info.transaction_status is TransactionStatus.IDLE:
                    connection.isolation_level = None

        deadline = Deadline.after(self._patience_s * len(queries))
        return self._try(queries[0][0], read_all, deadline)

    def stream(self, query_name: str, **parameters: object) -> Iterator[Row]:
        """Run one query and yield its rows through a server-side cursor, in bounded memory.

        Raises:
            DatabaseUnavailableError: no connection or no rows in time, or the statement failed on the way.
        """
        query = self._queries[query_name]
        try:
            with (
                self._pool.streaming(self._patience_s) as connection,
                connection.transaction(),
                connection.cursor("stream", binary=True) as cursor,
            ):
                self._set_for_long(connection)
                cursor.itersize = _STREAM_ROWS
                cursor.execute(statement_for(connection, query.statement), parameters)
                yield from cursor
        except StatementError as exc:
            raise DatabaseUnavailableError(self.name, self._reason(exc.reason)) from exc.reason

    def _set_for_long(self, connection: BoundedConnection) -> None:
        """Let a transaction stay idle while its rows are processed, whatever the server's settings are.

        It still ends if this process hangs, so that it does not block VACUUM forever. The statement timeout
        is the service's, also if the role has another, or a limit for whole transactions.
        """
        timeout = sole_timeout(connection, self._settings.statement_timeout_ms)
        pause = {"idle_in_transaction_session_timeout": _LONGEST_PAUSE}
        lock = {} if self._settings.statement_timeout_ms else {"lock_timeout": _LONGEST_LOCK}
        set_for_transaction(connection, {**timeout, **pause, **lock})

    @property
    def _may_query(self) -> bool:
        return self._breaker is None or self._breaker.closed

    def _failure(self, query: Query, error: "StatementError") -> DatabaseUnavailableError:
        """Log a failed statement, suspect an outage if it may be one, and return the service's own error."""
        # One line without a traceback: in an outage many requests log this.
        reason = self._reason(error.reason)
        logger.warning("%s.%s failed (%s): %s", self.name, query.name, error.outcome, reason)
        if not error.outcome.may_be_an_outage:
            self._faulty.failed(query)
        if self._breaker is not None and error.outcome.may_be_an_outage:
            self._suspect = query
            self._breaker.suspect()
        is_slow = error.outcome is StatementOutcome.SLOW
        kind = StatementTimeoutError if is_slow else DatabaseUnavailableError
        return kind(self.name, reason)

    def _reason(self, error: Exception) -> str:
        """Return the driver's message for a failed statement, in one line.

        A pool timeout has no cause. If no request waits, a new connection is tried to learn it.
        """
        if isinstance(error, PoolTimeout) and self._breaker is None:
            try:
                self._connector.connect().close()
            except psycopg.Error as exc:
                error = exc
        return one_line(error) or type(error).__name__

    def _try(
        self,
        query: Query,
        read: Callable[[BoundedConnection], T],
        deadline: Deadline,
        first: Sent[T] | None = None,
    ) -> T:
        """Read on a connection, with retries where they are likely to help; errors name `query`.

        `first`: the first attempt, of a statement that was sent before.
        """
        if first is None:
            self._require_reachable(deadline)
        again = partial(self._pool.run, read, deadline)
        attempt, spent_s = (again, 0.0) if first is None else first
        failures = 0
        while True:
            try:
                return self._run(query, attempt, spent_s)
            except StatementError as exc:
                failures += 1
                if failures > exc.outcome.retries or not deadline.remaining_s:
                    raise self._failure(query, exc) from exc.reason
                if exc.outcome.spoils_the_pool:
                    self._pool.drain()
                attempt, spent_s = again, 0.0
            if failures > 1:
                # The first retry is immediate, as the server asks for; later ones wait.
                time.sleep(min(_CONFLICT_PAUSE_S * 2**failures, deadline.remaining_s))

    def _require_reachable(self, deadline: Deadline) -> None:
        """Refuse to ask a database that is known to be down, or when there is no time left.

        Raises:
            StatementTimeoutError: there is no time left.
            DatabaseUnavailableError: the database is known to be down.
        """
        # A deadline that has already passed says nothing about the database.
        if not deadline.remaining_s:
            raise StatementTimeoutError(self.name)
        if not self._may_query:
            raise DatabaseUnavailableError(self.name)

    def _run(self, query: Query, attempt: Callable[[], T], spent_s: float) -> T:
        """Read, and record the duration, with the seconds spent before, and the state of the database."""
        started = time.perf_counter() - spent_s
        outcome: StatementOutcome | None = None
        try:
            rows = attempt()
        except StatementError as exc:
            outcome = exc.outcome
            raise
        else:
            self._faulty.succeeded(query)
            return rows
        finally:
            run = StatementRun(f"{self.name}.{query.name}", self._note(started, outcome))
            record(run)

    def _note(self, started: float, outcome: StatementOutcome | None) -> float:
        seconds = time.perf_counter() - started
        if outcome is None:
            self._state = DatabaseState.UP if seconds <= _SLOW_S else DatabaseState.SLOW
        else:
            self._state = DatabaseState.SLOW if outcome is StatementOutcome.SLOW else DatabaseState.DOWN
        self._asked_at = time.monotonic()
        return seconds

    def _note_recovery(self) -> None:
        self._state = DatabaseState.UP
        self._asked_at = time.monotonic()
