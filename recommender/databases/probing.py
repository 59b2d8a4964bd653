"""Find out whether a database answers, on connections that are open or on a new one."""

import time
from functools import partial

import psycopg

from recommender.databases.connections import BoundedConnection, Connector
from recommender.databases.faults import FaultyStatements
from recommender.databases.pool import StatementPool
from recommender.databases.queries import Query
from recommender.databases.statements import can_prepare, would_run
from recommender.deadline import Deadline

# How long each part of a probe may take, beside connecting.
PROBE_TIMEOUT_S = 1.0


def pool_answers(pool: StatementPool, faulty: FaultyStatements) -> bool:
    """Return whether a pool gives a connection that answers; check on it the statements that failed."""
    try:
        with pool.connection(timeout=PROBE_TIMEOUT_S) as connection:
            connection.deadline = Deadline.after(PROBE_TIMEOUT_S)
            try:
                pool.check_connection(connection)
                faulty.check(partial(would_run, connection))
            finally:
                connection.deadline = None
    except psycopg.Error:
        return False
    return True


def database_answers(pool: StatementPool, connector: Connector, suspect: Query | None) -> bool:
    """Return whether a database answers, and prepares a statement.

    Preparing takes the locks of the statement, and reads no rows.

    Args:
        pool: of connections to the database. Those that do not answer are closed.
        connector: makes a new connection, if no idle one of the pool answers.
        suspect: the statement, if there is one.
    """
    started_at = time.monotonic()
    deadline = Deadline.after(PROBE_TIMEOUT_S)

    def ask(connection: BoundedConnection) -> bool:
        pool.check_connection(connection)
        return suspect is None or can_prepare(connection, suspect)

    # A server may refuse new connections, for example because the pool has all that it allows.
    answer = pool.ask_idle(ask, deadline)
    if answer is not None:
        return answer
    if not deadline.remaining_s:
        # One hangs, so most likely the others do, too, and each would cost a request its time.
        pool.drain()
    try:
        with connector.connect() as connection:
            connection.deadline = Deadline.after(PROBE_TIMEOUT_S)
            return ask(connection)
    except psycopg.Error:
        # What the busy connections do is all that is left to see.
        return pool.has_answered_since(started_at, deadline)
