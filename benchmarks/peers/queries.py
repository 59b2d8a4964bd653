"""The statements of the peers."""

from benchmarks.dataset import BENCH_SQL
from recommender.databases.queries import parse_query_file


def statement(name: str) -> str:
    """Return the text of a statement, with psycopg's placeholders."""
    return parse_query_file(BENCH_SQL / f"{name}.sql").statement.decode()
