"""Run statements directly on libpq, in a third of a cursor's CPU time.

A cursor of the driver must handle any statement. Ours are known: they are prepared once per connection, their
parameters are sent as text, which the statements cast, and their rows are returned in binary.
"""

import math
import select
from collections.abc import Mapping
from contextlib import nullcontext, suppress

import psycopg
from psycopg.adapt import PyFormat
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from recommender.databases.connections import BoundedConnection, Row, set_for_transaction
from recommender.databases.outcomes import outcome_of
from recommender.databases.queries import Query
from recommender.databases.texts import statement_for

_GOOD = {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}
# How long a probe waits for a lock of another session, for which statements would have to wait, too.
_PROBE_LOCK_TIMEOUT = "300ms"
_ANSWER = select.POLLIN
_ROOM_OR_ANSWER = select.POLLIN | select.POLLOUT


def fetch_rows(connection: BoundedConnection, query: Query, parameters: Mapping[str, object]) -> list[Row]:
    """Run a statement, and return its rows. Arguments and errors are those of `send` and `receive`."""
    send(connection, query, parameters)
    return receive(connection)


def send(connection: BoundedConnection, query: Query, parameters: Mapping[str, object]) -> None:
    """Send a statement, whose rows `receive` waits for.

    Args:
        connection: not used by another thread meanwhile.
        query: the statement, which is prepared unless the connection is set up not to.
        parameters: by name; those that the statement does not take are ignored.

    Raises:
        psycopg.Error: the server refuses, the connection breaks, or its deadline passes.
    """
    values = connection.transformer.dump_sequence(
        [parameters[name] for name in query.parameters], [PyFormat.TEXT] * len(query.parameters)
    )
    if connection.prepare_threshold is None:
        connection.pgconn.send_query_params(
            statement_for(connection, query.numbered), values, result_format=Format.BINARY
        )
    else:
        name = _prepare(connection, query)
        connection.pgconn.send_query_prepared(name, values, result_format=Format.BINARY)
    # What the network does not take at once is sent by `receive`.
    connection.pgconn.flush()


def receive(connection: BoundedConnection) -> list[Row]:
    """Wait for the rows of the statement that was sent last, and return them.

    Raises:
        psycopg.Error: the server refuses, the connection breaks, or its deadline passes; in the last case
            the statement still runs.
    """
    result = _result(connection)
    transformer = connection.transformer
    transformer.set_pgresult(result, format=Format.BINARY)
    try:
        return transformer.load_rows(0, result.ntuples, tuple)
    finally:
        # A result may take megabytes, and the connection lives on.
        transformer.set_pgresult(None)


def can_prepare(connection: BoundedConnection, query: Query) -> bool:
    """Return whether the server parses a statement in time; one that it refuses at once is no outage.

    All in one transaction with its own settings, so that a pooler sends it to one session.
    """
    try:
        with connection.transaction():
            set_for_transaction(connection, {"lock_timeout": _PROBE_LOCK_TIMEOUT})
            connection.execute(b"PREPARE probed AS " + statement_for(connection, query.numbered))
            connection.execute(b"DEALLOCATE probed")
    except psycopg.Error as exc:
        return not outcome_of(exc, connection_broken=connection.broken).may_be_an_outage
    return True


def would_run(connection: BoundedConnection, query: Query) -> bool:
    """Return whether the server plans a statement and lets it begin; it reads no rows.

    Unlike preparing, explaining checks the privileges, too, and leaves nothing behind in a pooled session.

    Raises:
        psycopg.Error: the server does not answer in time, or a lock is held.
    """
    try:
        with connection.transaction():
            set_for_transaction(connection, {"lock_timeout": _PROBE_LOCK_TIMEOUT})
            connection.pgconn.send_query_params(
                b"EXPLAIN " + statement_for(connection, query.numbered), [None] * len(query.parameters)
            )
            _result(connection)
    except psycopg.Error as exc:
        if outcome_of(exc, connection_broken=connection.broken).may_be_an_outage:
            raise
        return False
    return True


def _prepare(connection: BoundedConnection, query: Query) -> bytes:
    """Prepare a statement unless it is prepared already, and return its name."""
    name = query.name.encode()
    if name not in connection.prepared:
        connection.pgconn.send_prepare(name, statement_for(connection, query.numbered))
        _result(connection)
        connection.prepared.add(name)
    return name


def _result(connection: BoundedConnection) -> PGresult:
    """Wait for the server's complete result, and return it."""
    pgconn = connection.pgconn
    while pgconn.flush():
        # The server may accept more only after some of its output has been read.
        _wait(connection, _ROOM_OR_ANSWER)
        pgconn.consume_input()
    result = _next_result(connection)
    if result is None:
        raise psycopg.OperationalError("the server has answered nothing")
    # A server that shuts down sends its reason, then closes: report the reason, not the closed connection.
    with nullcontext() if result.status in _GOOD else suppress(psycopg.OperationalError):
        while _next_result(connection) is not None:
            pass
    if result.status not in _GOOD:
        raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)
    return result


def _next_result(connection: BoundedConnection) -> PGresult | None:
    """Return the next result; None at the end."""
    pgconn = connection.pgconn
    while pgconn.is_busy():
        _wait(connection, _ANSWER)
        pgconn.consume_input()
    return pgconn.get_result()


def _wait(connection: BoundedConnection, events: int) -> None:
    """Wait until the connection is readable, at most until its deadline."""
    deadline = connection.deadline
    timeout_ms = None
    if deadline is not None and math.isfinite(deadline.ends_at):
        timeout_ms = math.ceil(deadline.remaining_s * 1_000)
    poller = select.poll()
    poller.register(connection.pgconn.socket, events)
    if not poller.poll(timeout_ms):
        raise psycopg.OperationalError("no answer before the deadline")
