"""The demo's databases, kept like those of the benchmarks."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psycopg

from benchmarks.dataset import BENCH_FOLDER, BENCH_SQL, BenchmarkData, no_progress
from recommender.databases.queries import parse_query_file
from recommender.demo.databases import demo_databases
from recommender.demo.generate import DEMO_SIZE
from recommender.entities import DatabaseName

_SEED = 4_711


@contextmanager
def demo_data() -> Iterator[BenchmarkData]:
    """Yield the databases of the demo, whose window is small enough for exact answers by live SQL."""
    folder = BENCH_FOLDER / "demo"
    with demo_databases(folder, no_progress) as urls:
        query = parse_query_file(BENCH_SQL / "demo_users.sql")
        with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
            rows = connection.execute(query.statement).fetchall()
        heaviest = str(rows[0][0])
        user_ids = np.random.default_rng(_SEED).permutation([user_id for user_id, _ in rows]).tolist()
        postgres_pid = int((folder / "postgres" / "postmaster.pid").read_text().partition("\n")[0])
        yield BenchmarkData(urls, DEMO_SIZE.interactions, user_ids, heaviest, folder, postgres_pid)
