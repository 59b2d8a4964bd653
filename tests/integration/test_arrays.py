"""Arrays on their way to PostgreSQL and back."""

import psycopg
import pytest

from recommender.databases.arrays import adapt_arrays
from recommender.entities import DatabaseName
from tests.support.postgres import Urls


@pytest.mark.parametrize(
    ("values", "type_name"),
    [
        ([], "text"),
        (["a"], "text"),
        (["", " ", 'say "no"', "back\\slash", "{a,b}", "NULL", "new\nline", "ü\u2028\U0001f3ac"], "text"),
        ([], "int"),
        ([1, -2, 2_147_483_647], "int"),
        ([9_223_372_036_854_775_807], "bigint"),
    ],
)
def test_a_list_arrives_unchanged(
    shared_databases: Urls, values: list[str] | list[int], type_name: str
) -> None:
    with psycopg.connect(shared_databases[DatabaseName.ENGAGEMENT], prepare_threshold=0) as connection:
        adapt_arrays(connection)
        cursor = connection.execute(f"SELECT %s::{type_name}[]".encode(), (values,), binary=True)
        assert cursor.fetchone() == (values,)
