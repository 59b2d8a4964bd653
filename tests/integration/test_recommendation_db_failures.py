"""recommendation_db may be locked, hang or refuse writes: commands end, say so, and catch up later."""

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
from recommender.entities import DatabaseName
from recommender.errors import LoadError
from recommender.model_store.artifact import current_version
from recommender.models.item_knn import ItemKnn
from tests.integration.test_long_writes import ARTIFACT
from tests.support.commands import Run
from tests.support.postgres import Urls
from tests.support.proxy import HangingProxy
from tests.support.statements import execute, rows

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
def url(databases: Urls, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a database with the tables of recommendation_db, which commands write to."""
    url = databases[DatabaseName.ENGAGEMENT]
    execute(url, (SQL_ROOT / "recommendation_db/migrations/0001_create_tables.sql").read_text())
    monkeypatch.setenv("RECOMMENDATION_DB_URL", url)
    return url


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


@contextmanager
def refusing(url: str, statement: str) -> Iterator[None]:
    """Let `INSERT` or `DELETE` of a version fail, as on a full disk."""
    execute(
        url,
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$; "
        f"CREATE TRIGGER refuse BEFORE {statement} ON model_artifacts EXECUTE FUNCTION refuse()",
    )
    yield
    execute(url, "DROP TRIGGER refuse ON model_artifacts")


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


def test_forget_remakes_the_models_though_recommendation_db_is_locked(
    run_on_models: Run, url: str, user: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommendation_db, "LOCK_TIMEOUT", "300ms")
    assert run_on_models("train", "popularity").status == 0
    before = current_version(folder, "popularity")
    with locked(url):
        result = run_on_models("forget", user)
    assert result.status == 3
    assert "recommendation_db still holds data of these users" in result.err
    now = current_version(folder, "popularity")
    assert before != now
    assert run_on_models("forget", user).status == 0
    assert rows(url, "SELECT version, is_current FROM model_artifacts") == [(now, True)]


def test_forget_that_cannot_record_the_new_version_says_so_and_is_completed_by_the_next(
    run_on_models: Run, url: str, user: str, folder: Path
) -> None:
    assert run_on_models("train", "als", "--set", "factors=4", "--set", "iterations=1").status == 0
    before = current_version(folder, "als")
    with refusing(url, "INSERT"):
        result = run_on_models("forget", user)
        now = current_version(folder, "als")
        assert result.status == 3
        assert f"als {now} is published, but recommendation_db does not have it: " in result.err
        assert "recommendation_db may still hold data of these users" in result.err
        assert rows(url, "SELECT version FROM model_artifacts") == [(before,)]
        assert run_on_models("forget", user).status == 3
    completed = run_on_models("forget", user)
    assert (completed.status, completed.err) == (0, "")
    assert rows(url, "SELECT version, is_current FROM model_artifacts") == [(now, True)]
    assert rows(url, "SELECT * FROM user_features") == []


def test_rows_of_a_model_that_forget_removed_are_deleted_by_the_next_if_they_could_not_be(
    run_on_models: Run, url: str, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    assert run_on_models("train", "item_knn").status == 0
    monkeypatch.setattr(ItemKnn, "fit", fail)
    with refusing(url, "DELETE"):
        assert run_on_models("forget", user).status == 3
        assert run_on_models("forget", user).status == 3
        assert len(rows(url, "SELECT version FROM model_artifacts")) == 1
    assert run_on_models("forget", user).status == 0
    assert rows(url, "SELECT * FROM model_artifacts") == []
