"""Rows of a large result, some hundred at a time, so that other threads come to work meanwhile."""

import time
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from recommender.databases.connections import BoundedConnection, Row
from recommender.databases.queries import Query

Chunks: TypeAlias = Iterator[list[Row]]

# So many rows are made in a millisecond or two, for which the interpreter's lock is held; and the pause then.
_ROWS, _PAUSE_S = 250, 0.001


def chunks_of(connection: BoundedConnection, query: Query, parameters: Mapping[str, object]) -> Chunks:
    """Run a query and yield its rows, with a pause after each chunk.

    The result itself takes less memory than rows do. Without the pause, a thread that takes the lock again at
    once would keep it from the others.
    """
    with connection.cursor(binary=True) as cursor:
        cursor.execute(query.statement, parameters)
        while chunk := cursor.fetchmany(_ROWS):
            yield chunk
            time.sleep(_PAUSE_S)
