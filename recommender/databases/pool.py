"""Lend connections until a deadline, and cancel the statements that still run then."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from config.database_settings import DatabaseSettings
from recommender.databases.connections import BoundedConnection, Connector, Row
from recommender.databases.outcomes import StatementAbandonedError, StatementOutcome, outcome_of
from recommender.databases.queries import Query
from recommender.databases.statements import receive, send
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from recommender.errors import one_line
from recommender.system.background import start_thread

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How long a request to cancel a statement may take.
_CANCEL_TIMEOUT_S = 1.0
# The pool doubles the wait between attempts to reconnect until this much time has passed, then waits until it
# is asked for a connection. If this were long, it would sleep through the end of an outage.
_RECONNECT_TIMEOUT_S = 1.0
# How long to wait for an idle connection that a request may have taken meanwhile.
_IDLE_TIMEOUT_S = 0.05
# How often to look whether a statement has succeeded.
_LOOK_S = 0.02


class StatementError(Exception):
    """A statement failed; `reason` is the driver's error."""

    def __init__(self, outcome: StatementOutcome, reason: Exception) -> None:
        super().__init__(str(reason))
        self.outcome = outcome
        self.reason = reason


class StatementPool(ConnectionPool[BoundedConnection]):
    """A pool whose connections wait for the server until a deadline. Connects to nothing before `open`."""

    def __init__(self, name: DatabaseName, connector: Connector, settings: DatabaseSettings) -> None:
        super().__init__(
            connector.url,
            connection_class=BoundedConnection,
            kwargs=connector.arguments,
            min_size=0,
            max_size=settings.pool_size,
            timeout=settings.pool_timeout_ms / 1000,
            reconnect_timeout=_RECONNECT_TIMEOUT_S,
            open=False,
            name=name.value,
            configure=connector.configure,
        )
        # Those with a statement that has not been given up.
        self._busy: set[BoundedConnection] = set()
        self.answered_at = -math.inf
        """When a statement succeeded last, by the monotonic clock."""

    @property
    def free_connections(self) -> int:
        """Return how many connections are idle or may still be opened."""
        stats = self.get_stats()
        return self.max_size - stats["pool_size"] + stats["pool_available"]

    def run(self, read: Callable[[BoundedConnection], T], deadline: Deadline) -> T:
        """Read on a connection of the pool.

        Raises:
            StatementError: there is no connection in time, or reading fails.
        """
        return self.read_on(self.lend(deadline), read)

    def send(self, query: Query, parameters: Mapping[str, object], deadline: Deadline) -> "SentStatement":
        """Send a statement on a connection of the pool, and return it without waiting for the rows.

        Raises:
            StatementError: there is no connection in time, or sending fails.
        """
        connection = self.lend(deadline)
        try:
            send(connection, query, parameters)
        except psycopg.Error as exc:
            failure = _failure_on(connection, exc)
            self.give_back(connection)
            raise failure from exc
        return SentStatement(self, connection)

    def lend(self, deadline: Deadline) -> BoundedConnection:
        """Return a connection, to be given back, whose waits end at the deadline.

        Raises:
            StatementError: there is none in time.
        """
        try:
            connection = self.getconn(timeout=min(self.timeout, deadline.remaining_s))
        except psycopg.Error as exc:
            raise StatementError(outcome_of(exc, connection_broken=False), exc) from exc
        connection.deadline = deadline
        self._busy.add(connection)
        return connection

    @contextmanager
    def streaming(self, patience_s: float) -> Iterator[BoundedConnection]:
        """Lend a connection whose waits may take `patience_s` each, however long all of them take.

        Raises:
            StatementError: there is no connection in time, or reading fails.
        """
        connection = self.lend(Deadline.after(math.inf))
        connection.patience_s = patience_s
        try:
            yield connection
        except psycopg.Error as exc:
            raise _failure_on(connection, exc) from exc
        finally:
            connection.patience_s = None
            self.give_back(connection)

    def read_on(self, connection: BoundedConnection, read: Callable[[BoundedConnection], T]) -> T:
        """Read on a lent connection, and give it back.

        Raises:
            StatementError: reading fails.
        """
        try:
            result = read(connection)
            # Before the connection is given back: a probe waits only for busy ones.
            self.answered_at = time.monotonic()
        except psycopg.Error as exc:
            raise _failure_on(connection, exc) from exc
        finally:
            self.give_back(connection)
        return result

    def ask_idle(self, ask: Callable[[BoundedConnection], T], deadline: Deadline) -> T | None:
        """Return what `ask` returns on an idle connection; None if it fails on all until the deadline.

        A connection on which it fails is closed.
        """
        while deadline.remaining_s and self.get_stats()["pool_available"]:
            try:
                connection = self.getconn(timeout=min(_IDLE_TIMEOUT_S, deadline.remaining_s))
            except psycopg.Error:
                # A request has taken it, or the pool is being closed.
                break
            connection.deadline = deadline
            try:
                return ask(connection)
            except psycopg.Error:
                connection.close()
            finally:
                if connection.info.transaction_status is not TransactionStatus.IDLE:
                    connection.close()
                connection.deadline = None
                self.putconn(connection)
        return None

    def has_answered_since(self, moment: float, deadline: Deadline) -> bool:
        """Return whether a statement has succeeded since a moment; wait for those that run.

        Args:
            moment: by the monotonic clock.
            deadline: when to stop waiting.
        """
        while self.answered_at < moment and self._busy and deadline.remaining_s:
            time.sleep(_LOOK_S)
        return self.answered_at >= moment

    def give_back(self, connection: BoundedConnection) -> None:
        """Return a connection to the pool, after cancelling a statement that still runs.

        It keeps its place in the pool until then, so that never more statements run than the pool's size.
        """
        connection.deadline = None
        self._busy.discard(connection)
        if connection.info.transaction_status is TransactionStatus.ACTIVE:
            if start_thread(f"{self.name} cancel", self._cancel, connection) is None:
                self._drop(connection)
        else:
            self.putconn(connection)

    def _cancel(self, connection: BoundedConnection) -> None:
        try:
            connection.cancel_safe(timeout=_CANCEL_TIMEOUT_S)
        except psycopg.Error as exc:
            logger.warning("%s: a statement could not be cancelled: %s", self.name, one_line(exc))
        finally:
            self._drop(connection)

    def _drop(self, connection: BoundedConnection) -> None:
        """Close a connection whose statement still runs, and free its place in the pool."""
        connection.close()
        self.putconn(connection)


class SentStatement:
    """A statement that the server works on. Its connection is given back by `receive` or `close`."""

    def __init__(self, pool: StatementPool, connection: BoundedConnection) -> None:
        self._pool = pool
        self._connection: BoundedConnection | None = connection

    def receive(self) -> list[Row]:
        """Wait for the rows. Call once.

        Raises:
            StatementError: the statement fails, or its deadline passes.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            raise ValueError("the rows were received before")
        return self._pool.read_on(connection, receive)

    def close(self) -> None:
        """Give the statement up, if its rows were not received."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection)


def _failure_on(connection: BoundedConnection, error: psycopg.Error) -> StatementError:
    reason: Exception = error
    if not connection.broken and connection.info.transaction_status is TransactionStatus.ACTIVE:
        reason = StatementAbandonedError("no answer before the deadline")
    return StatementError(outcome_of(reason, connection_broken=connection.broken), reason)
