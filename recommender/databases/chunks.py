"""Yield the rows of a large result in chunks, so that other threads can run in between."""

import time
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from psycopg import Cursor

from recommender.databases.connections import BoundedConnection, Row
from recommender.databases.queries import Query
from recommender.databases.texts import statement_for

Chunks: TypeAlias = Iterator[list[Row]]

# The interpreter's lock is held for the 1 to 2 ms that a chunk of this size takes; then comes the pause.
_ROWS, _PAUSE_S = 250, 0.001


def chunks_of(connection: BoundedConnection, query: Query, parameters: Mapping[str, object]) -> Chunks:
    """Run a query and yield its rows in chunks, as `chunks_received` does."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement_for(connection, query.statement), parameters)
        yield from chunks_received(cursor)


def chunks_received(cursor: Cursor[Row]) -> Chunks:
    """Yield the rows that a cursor has received in chunks, with a pause after each chunk.

    The driver's result takes less memory than Python rows. Without the pause, this thread would take the
    interpreter's lock again before another thread could.
    """
    while chunk := cursor.fetchmany(_ROWS):
        yield chunk
        time.sleep(_PAUSE_S)
