"""recommendation_db may be locked, hang or refuse writes: each write ends, and says why."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from recommender.databases import recommendation_db
from recommender.databases.loading import WritableDatabase
from recommender.databases.queries import SQL_ROOT
from recommender.databases.recommendation_db import RecommendationDatabase
from recommender.demo.embedded import PostgresServer
from recommender.entities import DatabaseName
from recommender.errors import LoadError
from tests.integration.test_long_writes import ARTIFACT
from tests.support.postgres import Urls
from tests.support.proxy import HangingProxy, hanging_proxy

# Without a limit, a test would wait for as long.
_HELD_S = 15.0
# More than the buffers of the connections hold.
_USERS = 20_000
_FACTORS = 100
_EMBEDDINGS = [(f"{user:032x}", [0.123456789] * _FACTORS) for user in range(3)]

Write = Callable[[RecommendationDatabase], None]
WRITES: dict[str, Write] = {
    "record": lambda database: database.record(ARTIFACT, _EMBEDDINGS, [], is_current=True),
    "update_current": lambda database: database.update_current(ARTIFACT, []),
    "keep_versions": lambda database: database.keep_versions({"als": []}),
    "delete_users": lambda database: database.delete_users([user for user, _ in _EMBEDDINGS]),
}
each_write = pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))


@pytest.fixture
def url(databases: Urls) -> str:
    """Return the URL of a database with the tables of recommendation_db."""
    url = databases[DatabaseName.ENGAGEMENT]
    execute(url, (SQL_ROOT / "recommendation_db/migrations/0001_create_tables.sql").read_text())
    return url


@pytest.fixture
def proxy(server: PostgresServer) -> Iterator[HangingProxy]:
    info = server.get_postmaster_info()
    with hanging_proxy(Path(str(info.socket_dir)) / f".s.PGSQL.{info.port}") as proxy:
        yield proxy


def execute(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


@contextmanager
def later(do: Callable[[], object]) -> Iterator[None]:
    """Do something after `_HELD_S`, or at the end of the block."""
    timer = threading.Timer(_HELD_S, do)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        do()


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold locks as a transaction that someone has left open."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE model_artifacts, user_features IN ACCESS EXCLUSIVE MODE")
        with later(connection.rollback):
            yield


@each_write
def test_a_write_waits_for_locks_for_some_seconds_only(
    url: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommendation_db, "LOCK_TIMEOUT", "300ms")
    with locked(url), pytest.raises(LoadError, match="lock timeout"):
        write(RecommendationDatabase(url))
    write(RecommendationDatabase(url))


@each_write
def test_a_server_that_hangs_after_the_login_ends_a_write(
    url: str, proxy: HangingProxy, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommendation_db, "_ANSWER_S", 1.0)
    enter = WritableDatabase.__enter__

    def hang_then(database: WritableDatabase) -> WritableDatabase:
        entered = enter(database)
        proxy.hang()
        return entered

    monkeypatch.setattr(WritableDatabase, "__enter__", hang_then)
    started = time.monotonic()
    with later(proxy.resume), pytest.raises(LoadError, match="no answer for 1 seconds"):
        write(RecommendationDatabase(proxy.url(url.rpartition("/")[2])))
    assert time.monotonic() - started < _HELD_S / 2


def test_a_server_that_hangs_while_embeddings_are_sent_ends_that(
    url: str, proxy: HangingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommendation_db, "_MANY_ROWS_S", 1.0)

    def embeddings() -> Iterator[tuple[str, list[float]]]:
        proxy.hang()
        for user in range(_USERS):
            yield f"{user:032x}", [0.123456789] * _FACTORS

    database = RecommendationDatabase(proxy.url(url.rpartition("/")[2]))
    started = time.monotonic()
    with later(proxy.resume), pytest.raises(LoadError, match="no answer for 1 seconds"):
        database.record(ARTIFACT, embeddings(), [], is_current=True)
    assert time.monotonic() - started < _HELD_S / 2
    assert rows(url, "SELECT * FROM model_artifacts") == []
