"""The declarations that `check` compares with agree with PostgreSQL's types of our SQL files."""

import psycopg
import pytest

from recommender.databases.inspection import Inspection
from recommender.databases.queries import load_queries, optional_queries
from recommender.diagnostics.expectations import INDEXES, STATEMENTS, TABLES, needed_columns
from recommender.diagnostics.tables import look_at_indexes
from recommender.entities import DatabaseName
from tests.support.clients import settings_for
from tests.support.postgres import Urls

_TYPES = {"int4": "int", "int8": "bigint", "bool": "boolean"}
_COLUMNS = """
    SELECT table_name::text, column_name::text, data_type::text
    FROM information_schema.columns
    WHERE table_schema = 'public'
"""
_INDEXES = """
    SELECT c.relname::text
    FROM pg_class AS c
    WHERE c.relkind = 'i' AND c.relnamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_constraint AS owner WHERE owner.conindid = c.oid)
"""


def declared_type(name: str) -> str:
    element = name.removesuffix("[]")
    return _TYPES.get(element, element) + name[len(element) :]


@pytest.mark.parametrize("name", DatabaseName)
def test_every_statement_is_declared_with_the_types_that_postgresql_returns(
    shared_databases: Urls, name: DatabaseName
) -> None:
    with Inspection(name, settings_for(shared_databases).databases) as inspection:
        returned = {
            query.name: tuple(map(declared_type, inspection.examine(query).column_types))
            for query in load_queries(name).values()
        }
    declared = {query: statement.returns for query, statement in STATEMENTS[name].items()}
    assert {query: types for query, types in declared.items() if query in returned} == returned
    assert declared.keys() - returned.keys() == optional_queries(name).keys()


@pytest.mark.parametrize("name", DatabaseName)
def test_tables_are_declared_as_the_schema_has_them(shared_databases: Urls, name: DatabaseName) -> None:
    with psycopg.connect(shared_databases[name]) as connection:
        found = connection.execute(_COLUMNS.encode()).fetchall()
    declared = {
        (table, column, type_name)
        for table, columns in TABLES[name].items()
        for column, type_name in columns.items()
    }
    assert declared == set(found)


@pytest.mark.parametrize("name", DatabaseName)
def test_indexes_are_declared_as_they_are_created(shared_databases: Urls, name: DatabaseName) -> None:
    with psycopg.connect(shared_databases[name]) as connection:
        created = {index for (index,) in connection.execute(_INDEXES.encode())}
    with Inspection(name, settings_for(shared_databases).databases) as inspection:
        found = {index.name: index for index in look_at_indexes(inspection, list(TABLES[name]))}
    assert {index.name for index in INDEXES[name]} == created
    for index in INDEXES[name]:
        assert found[index.name].table == index.table
        assert found[index.name].serves_as(index)
        assert found[index.name].included == list(index.included)


def test_a_column_that_only_occasional_statements_need_has_a_consequence() -> None:
    queries = load_queries(DatabaseName.ENGAGEMENT)
    columns = {column.name: column for column in needed_columns(DatabaseName.ENGAGEMENT, queries.values())}
    assert columns["media_id"].consequence == ""
    (column,) = needed_columns(DatabaseName.ENGAGEMENT, [queries["stream_users"]])
    assert (column.name, column.consequence) == ("user_id", "`batch --all-users` fails")
