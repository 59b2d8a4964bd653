"""No transaction stays idle between two reads, so idle_in_transaction_session_timeout ends none."""

import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import psycopg
import pytest

from recommender.databases import database as database_module
from recommender.databases.chunks import Chunks
from recommender.databases.connections import Row
from recommender.databases.database import Database
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError
from tests.support.clients import settings_for
from tests.support.commands import Run
from tests.support.postgres import Outage, Urls

pytestmark = pytest.mark.slow

USER, CATALOG, ENGAGEMENT = DatabaseName
_PAUSE_S = 1.5


@pytest.fixture
def strict(databases: Urls) -> Urls:
    """Databases that end an idle transaction after a second."""
    for url in databases.values():
        with psycopg.connect(url) as connection:
            name = connection.info.dbname
            connection.execute(
                f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '1s'".encode()
            )
    return databases


@pytest.fixture
def database(strict: Urls) -> Iterator[Database]:
    database = Database(ENGAGEMENT, settings_for(strict, POOL_SIZE="1").databases)
    database.open()
    yield database
    database.close()


def setting(database: Database) -> str:
    with database._pool.connection() as connection:  # noqa: SLF001 - what a transaction leaves behind
        row = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    assert row is not None
    return str(row[0])


def test_a_stream_waits_for_its_reader(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_STREAM_ROWS", 50)
    expected = list(database.stream("stream_users"))
    rows = database.stream("stream_users")
    read = [next(rows)]
    time.sleep(_PAUSE_S)
    assert [*read, *rows] == expected
    assert len(expected) > 100
    assert setting(database) == "1s"


def test_a_snapshot_waits_between_its_queries(database: Database) -> None:
    def read_slowly(chunks: Chunks) -> list[Row]:
        rows = list(chain.from_iterable(chunks))
        time.sleep(_PAUSE_S)
        return rows

    first, second = database.read_snapshot([("fetch_random_user", read_slowly)] * 2)
    assert len(first) == len(second) == 1
    assert setting(database) == "1s"


def test_a_limit_of_the_role_for_transactions_does_not_end_long_reads(
    databases: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET transaction_timeout = '1s'".encode())
    monkeypatch.setattr(database_module, "_STREAM_ROWS", 50)
    database = Database(ENGAGEMENT, settings_for(databases, POOL_SIZE="1").databases)
    database.open()
    try:
        rows = database.stream("stream_users")
        first = next(rows)
        time.sleep(_PAUSE_S)
        assert len([first, *rows]) > 100
    finally:
        database.close()


def test_a_stream_whose_reader_stands_still_is_ended_by_the_server(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_STREAM_ROWS", 50)
    monkeypatch.setattr(database_module, "_LONGEST_PAUSE", "200ms")
    rows = database.stream("stream_users")
    next(rows)
    time.sleep(_PAUSE_S)
    with pytest.raises(DatabaseUnavailableError, match="idle-in-transaction timeout"):
        list(rows)


def test_batch_says_why_users_cannot_be_listed(
    run_alone: Run, databases: Urls, outage: Outage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOL_TIMEOUT_MS", "100")
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("ALTER TABLE interaction RENAME TO moved")
    arguments = ("batch", "--all-users", "--output", tmp_path / "out")
    result = run_alone(*arguments)
    assert (result.status, len(result.err.splitlines())) == (1, 1)
    assert 'engagement_db did not answer: relation "interaction" does not exist' in result.err
    with psycopg.connect(databases[USER]) as connection:
        connection.execute("CREATE ROLE nobody_else LOGIN CONNECTION LIMIT 0")
    try:
        url = databases[USER].replace("postgres@", "nobody_else:s3cret@")
        monkeypatch.setenv("USER_DB_URL", url)
        result = run_alone(*arguments)
        assert (result.status, len(result.err.splitlines())) == (1, 1)
        assert "user_db did not answer: " in result.err
        assert 'too many connections for role "nobody_else"' in result.err
        assert "s3cret" not in result.err
        assert "postgresql://" not in result.err
    finally:
        with psycopg.connect(databases[USER]) as connection:
            connection.execute("DROP ROLE nobody_else")
    outage.stop(ENGAGEMENT)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    result = run_alone("train", "neighbours")
    assert result.status == 1
    assert "is not currently accepting connections" in result.err
