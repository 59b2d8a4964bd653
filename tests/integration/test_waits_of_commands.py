"""A command or a training gives up waiting for a database that accepts connections and does not answer."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import psycopg
import pytest

from recommender.databases import connections
from recommender.databases import database as database_module
from recommender.databases.database import Database
from recommender.databases.patient import patient_database
from recommender.demo.embedded import PostgresServer
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError
from tests.integration.test_outcomes import overlay, running_statements
from tests.support.clients import PATIENT, settings_for
from tests.support.postgres import Urls
from tests.support.proxy import hanging_proxy
from tests.support.waiting import wait_until

ENGAGEMENT = DatabaseName.ENGAGEMENT
_SHORT_S = 1.5
# Far less than the service's own bounds, and enough for a busy machine.
_JOIN_S = 30.0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_COMMAND_PATIENCE_S", _SHORT_S)
    monkeypatch.setattr(database_module, "_STREAM_ROWS", 20)


@contextlib.contextmanager
def opened(urls: Urls, **variables: str) -> Iterator[Database]:
    settings = settings_for(urls, **PATIENT, **variables).databases
    with patient_database(ENGAGEMENT, settings) as database:
        yield database


def failure_of(read: Callable[[], object]) -> str:
    """Return the message with which a read fails; in a thread, because it might wait for ever."""
    failures: list[str] = []

    def run() -> None:
        try:
            read()
        except DatabaseUnavailableError as exc:
            failures.append(str(exc))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_JOIN_S)
    assert failures, "it still waits, or has not failed"
    return failures[0]


@pytest.mark.usefixtures("impatient")
def test_a_read_ends_if_the_server_hangs_on_the_way(server: PostgresServer, databases: Urls) -> None:
    info = server.get_postmaster_info()
    with hanging_proxy(Path(str(info.socket_dir)) / f".s.PGSQL.{info.port}") as proxy:
        urls = {**databases, ENGAGEMENT: proxy.url(databases[ENGAGEMENT].rpartition("/")[2])}
        with opened(urls) as database:
            rows = database.stream("stream_users")
            next(rows)
            proxy.hang()
            assert "engagement_db did not answer" in failure_of(lambda: list(rows))
            proxy.resume()
            assert list(database.stream("stream_users")), "on a new connection"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["stream", "fetch", "read"])
def test_a_statement_without_an_end_is_given_up_and_cancelled(
    databases: Urls, tmp_path: Path, how: str
) -> None:
    sql_path = overlay(tmp_path, "stream_users()", "SELECT pg_sleep(60)::text AS user_id;")
    reads: dict[str, Callable[[Database], object]] = {
        "stream": lambda database: list(database.stream("stream_users")),
        "fetch": lambda database: database.fetch("stream_users"),
        "read": lambda database: database.read("stream_users", list),
    }
    with opened(databases, SQL_PATH=str(sql_path)) as database:
        assert "no answer before the deadline" in failure_of(lambda: reads[how](database))
        wait_until(lambda: running_statements(databases) == 0)


def test_a_read_does_not_wait_for_a_lock_that_is_not_released(
    databases: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_LONGEST_LOCK", "1s")
    with psycopg.connect(databases[ENGAGEMENT]) as connection, opened(databases) as database:
        connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        assert "lock timeout" in failure_of(lambda: list(database.stream("stream_users")))
        connection.rollback()
        assert list(database.stream("stream_users"))


@pytest.mark.usefixtures("impatient")
def test_a_reader_that_takes_long_for_its_rows_gets_all_of_them(databases: Urls) -> None:
    with opened(databases) as database:
        expected = list(database.stream("stream_users"))
        rows = database.stream("stream_users")
        read = [next(rows)]
        for _ in range(2):
            time.sleep(0.7 * _SHORT_S)
            read += [next(rows) for _ in range(20)]
        assert [*read, *rows] == expected
        rows = database.stream("stream_users")
        next(rows)
        assert isinstance(rows, Generator)
        time.sleep(1.1 * _SHORT_S)
        rows.close()
        assert list(database.stream("stream_users")) == expected
