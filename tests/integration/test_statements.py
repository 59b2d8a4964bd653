"""Errors of failed statements carry the server's SQLSTATE, even if it closed the connection."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from recommender.databases.connections import BoundedConnection, Connector
from recommender.databases.queries import load_queries
from recommender.databases.statements import fetch_rows
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from tests.support.clients import settings_for
from tests.support.postgres import Urls

NAME = DatabaseName.USER
QUERY = load_queries(NAME)["fetch_genre_preferences"]
UNKNOWN_USER = {"user_ids": ["11111111-1111-4111-8111-111111111111"]}


@pytest.fixture(params=["true", "false"], ids=["prepared", "not prepared"])
def connection(shared_databases: Urls, request: pytest.FixtureRequest) -> Iterator[BoundedConnection]:
    settings = settings_for(shared_databases, PREPARED_STATEMENTS=request.param).databases
    with closing(Connector(NAME, settings).connect()) as connection:
        yield connection


def test_a_statement_is_repeated_on_one_connection(connection: BoundedConnection) -> None:
    assert [fetch_rows(connection, QUERY, UNKNOWN_USER) for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize("was_used", [False, True])
def test_the_reason_of_a_closed_connection_is_known(
    connection: BoundedConnection, shared_databases: Urls, *, was_used: bool
) -> None:
    if was_used:
        fetch_rows(connection, QUERY, UNKNOWN_USER)
    with psycopg.connect(shared_databases[NAME]) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
    with pytest.raises(psycopg.errors.AdminShutdown):
        fetch_rows(connection, QUERY, UNKNOWN_USER)
    assert connection.broken


def test_after_an_error_the_connection_can_be_used(connection: BoundedConnection) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="no id"):
        fetch_rows(connection, QUERY, {"user_ids": ["no id"]})
    assert fetch_rows(connection, QUERY, UNKNOWN_USER) == []


def test_waiting_ends_at_the_deadline(connection: BoundedConnection, shared_databases: Urls) -> None:
    connection.deadline = Deadline.after(0.2)
    with psycopg.connect(shared_databases[NAME]) as other:
        other.execute("LOCK TABLE tb_user_genre IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.OperationalError, match="no answer before the deadline"):
            fetch_rows(connection, QUERY, UNKNOWN_USER)
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.ACTIVE
