"""Fills the table of precomputed lists, as a nightly job would."""

from collections.abc import Iterator

import numpy as np
import psycopg

from benchmarks.dataset import BenchmarkData
from benchmarks.peers.queries import statement
from recommender.entities import DatabaseName

ITEMS_A_USER = 100
_SEED = 12
# Rows per fetch of the cursor: bounds memory, also for a million users.
_FETCHED = 10_000


def fill_precomputed(data: BenchmarkData) -> None:
    """Fill the table with a list for each user, unless it is full already.

    The lists are random: they cost as much to read as real ones.
    """
    with (
        psycopg.connect(data.urls[DatabaseName.USER]) as users,
        psycopg.connect(data.urls[DatabaseName.CATALOG], autocommit=True) as connection,
    ):
        connection.execute(statement("peer_create_precomputed"))
        held = connection.execute(statement("peer_count_precomputed")).fetchone()
        wanted = users.execute(statement("peer_count_users")).fetchone()
        if held == wanted:
            return
        item_ids = [item_id for (item_id,) in connection.execute(statement("peer_items"))]
        with connection.transaction(), connection.cursor() as cursor, users.cursor("users") as read:
            cursor.execute(statement("peer_truncate_precomputed"))
            read.itersize = _FETCHED
            read.execute(statement("peer_users"))
            with cursor.copy(statement("peer_copy_precomputed")) as copy:
                for lines in _lines((user_id for (user_id,) in read), item_ids):
                    copy.write(lines)
        connection.execute(statement("peer_vacuum_precomputed"))


def _lines(user_ids: Iterator[str], item_ids: list[str]) -> Iterator[str]:
    """Yield the rows of each user as COPY reads them."""
    rng = np.random.default_rng(_SEED)
    for user_id in user_ids:
        drawn = rng.choice(len(item_ids), size=ITEMS_A_USER, replace=False)
        yield "".join(
            f"{user_id}\t{rank}\t{item_ids[item_idx]}\t{1.0 - rank / ITEMS_A_USER}\n"
            for rank, item_idx in enumerate(drawn.tolist())
        )
