"""Fills the table of precomputed lists, as a nightly job would."""

from collections.abc import Iterator

import numpy as np
import psycopg

from benchmarks.dataset import BenchmarkData
from benchmarks.peers.queries import statement
from recommender.entities import DatabaseName

ITEMS_A_USER = 100
_SEED = 12
_CATALOG_IDS = "SELECT id::text FROM medias ORDER BY id"


def fill_precomputed(data: BenchmarkData) -> None:
    """Fill the table, unless it is there. The lists are random: to read them costs as much as any."""
    with psycopg.connect(data.urls[DatabaseName.CATALOG], autocommit=True) as connection:
        connection.execute(statement("peer_create_precomputed"))
        if connection.execute("SELECT FROM precomputed LIMIT 1").fetchone() is not None:
            return
        item_ids = [item_id for (item_id,) in connection.execute(_CATALOG_IDS)]
        with connection.cursor() as cursor, cursor.copy(statement("peer_copy_precomputed")) as copy:
            for row in _rows(data, item_ids):
                copy.write_row(row)
        connection.execute("VACUUM (ANALYZE) precomputed")


def _rows(data: BenchmarkData, item_ids: list[str]) -> Iterator[tuple[str, int, str, float]]:
    rng = np.random.default_rng(_SEED)
    for user_id in data.user_ids:
        drawn = rng.choice(len(item_ids), size=ITEMS_A_USER, replace=False).tolist()
        for rank, item_idx in enumerate(drawn):
            yield user_id, rank, item_ids[item_idx], 1.0 - rank / ITEMS_A_USER
