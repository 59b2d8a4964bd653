"""Connections are read-only, bounded, named and opened late, and never reveal the password."""

import logging
import threading
from pathlib import Path

import psycopg
import pytest

from app import create_app
from config.settings import load_settings
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.database import Database
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.recording import recorded_statements
from recommender.domains.media import MEDIA
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError, DatabaseUnavailableError
from tests.support.clients import NO_CAPS, get, post_batch, running_client, settings_for
from tests.support.postgres import Urls
from tests.support.reference import Reference

USER, ENGAGEMENT = DatabaseName.USER, DatabaseName.ENGAGEMENT


def overlay(folder: Path, database: str, query: str, statement: str) -> str:
    """Write a query file of the app's own, and return the SQL_PATH."""
    path = folder / database / f"{query}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"-- name: {query}(user_ids)\n{statement}\n")
    return str(folder)


def activity(urls: Urls, name: DatabaseName) -> list[tuple[object, ...]]:
    with psycopg.connect(urls[name], application_name="the test") as connection:
        return connection.execute(
            "SELECT application_name, usename, query FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name <> 'the test'"
        ).fetchall()


def test_a_statement_that_writes_is_refused_by_the_database(
    databases: Urls, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sql_path = overlay(
        tmp_path,
        "user_db",
        "fetch_genre_preferences",
        "INSERT INTO tb_user_genre SELECT unnest(:user_ids::text[]::uuid[]), 'WRITTEN' "
        "RETURNING user_id::text, ARRAY[genre_name::text];",
    )
    user = Reference(databases).users[0]
    with running_client(databases, SQL_PATH=sql_path, **NO_CAPS) as client:
        assert get(client, user)["degraded"] == ["user_db"]
    assert "read-only transaction" in caplog.text
    written = Reference(databases).rows(USER, "SELECT 1 FROM tb_user_genre WHERE genre_name = 'WRITTEN'")
    assert written == []


def test_connections_carry_the_services_name_and_stay_within_the_pool_size(databases: Urls) -> None:
    users = Reference(databases).users
    with running_client(databases, POOL_SIZE="2", POOL_TIMEOUT_MS="10000") as client:
        threads = [
            threading.Thread(target=post_batch, args=(client.application.test_client(), users[:50]))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sessions = activity(databases, USER)
    assert {name for name, _, _ in sessions} == {"marquee"}
    assert 1 <= len(sessions) <= 2


def test_statements_are_recorded_with_their_time_and_when_they_fail(databases: Urls, tmp_path: Path) -> None:
    sql_path = overlay(
        tmp_path,
        "user_db",
        "fetch_genre_preferences",
        "SELECT pg_sleep(0.2)::text, ARRAY[(1 / (length(:user_ids::text) - length(:user_ids::text)))::text];",
    )
    with (
        running_client(databases, SQL_PATH=sql_path) as client,
        recorded_statements() as outer,
        recorded_statements() as inner,
    ):
        assert get(client, Reference(databases).users[0])["degraded"] == ["user_db"]
    assert outer == inner
    # In the order in which their rows came: both run at the same time.
    assert [run.name for run in inner][:2] == [
        "engagement_db.fetch_histories",
        "user_db.fetch_genre_preferences",
    ]
    assert all(0 < run.seconds < 5 for run in inner)


def test_making_the_app_connects_to_nothing_and_starts_no_thread(databases: Urls) -> None:
    before = threading.active_count()
    app = create_app(settings_for(databases))
    assert threading.active_count() == before
    assert app.test_client().get("/health").status_code == 200
    assert activity(databases, DatabaseName.CATALOG) == []


def test_statements_are_prepared_unless_pgbouncer_forbids_it(databases: Urls, tmp_path: Path) -> None:
    # The overlay returns the names of prepared statements on its connection as a user's genres.
    sql_path = overlay(
        tmp_path,
        "user_db",
        "fetch_genre_preferences",
        "SELECT unnest(:user_ids::text[]) AS user_id, "
        "ARRAY(SELECT name FROM pg_prepared_statements) AS genre_names;",
    )
    user = Reference(databases).users[0]
    with psycopg.connect(databases[DatabaseName.CATALOG]) as connection:
        connection.execute("UPDATE tb_media_genre SET genre_name = '_pg3_0'")
    for prepared, strategies in (("true", {"hybrid", "content"}), ("false", {"collaborative", "popular"})):
        with running_client(databases, SQL_PATH=sql_path, PREPARED_STATEMENTS=prepared) as client:
            assert get(client, user)["strategy"] in strategies


def test_a_password_never_reaches_the_log(databases: Urls, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with_password = {name: url.replace("postgres@", "nobody:hunter2@") for name, url in databases.items()}
    with running_client(with_password, LOG_LEVEL="DEBUG") as client:
        assert client.get(f"/api/recommendations/{Reference(databases).users[0]}").status_code == 503
    assert "nobody" in caplog.text, "the failure is logged, with the role that was refused"
    assert "hunter2" not in caplog.text


def test_a_url_that_the_driver_cannot_read_is_refused_without_being_shown() -> None:
    url = "postgresql://u:hunter2@h/d?no_such_option=hunter2"
    settings = load_settings(
        {"USER_DB_URL": url, "CATALOG_DB_URL": url, "ENGAGEMENT_DB_URL": url}, dotenv_path=None
    )
    with pytest.raises(ConfigurationError, match="user_db is not a valid") as caught:
        create_app(settings)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("statement_timeout_ms", "answers"), [(0, True), (300, False)])
def test_a_statement_without_a_timeout_may_take_as_long_as_it_needs(
    databases: Urls, statement_timeout_ms: int, *, answers: bool
) -> None:
    """It takes longer than the time for the network that is added to a statement's timeout."""
    settings = settings_for(databases, POOL_SIZE="1").databases
    timeout = {"statement_timeout_ms": statement_timeout_ms}
    database = Database(ENGAGEMENT, settings.model_copy(update=timeout))
    database.open()
    try:
        with psycopg.connect(databases[ENGAGEMENT]) as connection:
            connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
            release = threading.Timer(2.6, connection.rollback)
            release.start()
            if answers:
                assert EngagementDatabase(database).fetch_example_users()
            else:
                with pytest.raises(DatabaseUnavailableError):
                    EngagementDatabase(database).fetch_example_users()
            release.join()
    finally:
        database.close()


@pytest.mark.parametrize("query_name", ["fetch_catalogue", "count_positive_users", "count_active_users"])
def test_reads_of_whole_tables_do_not_have_the_shorter_timeout_of_a_role(
    databases: Urls, query_name: str
) -> None:
    name, table = {
        "fetch_catalogue": (DatabaseName.CATALOG, "medias"),
        "count_positive_users": (ENGAGEMENT, "interaction"),
        "count_active_users": (ENGAGEMENT, "interaction"),
    }[query_name]
    with psycopg.connect(databases[name], autocommit=True) as connection:
        own = connection.info.dbname
        connection.execute(f"ALTER DATABASE {own} SET statement_timeout = '300ms'".encode())
    database = Database(name, settings_for(databases, SESSION_SETTINGS_BY="role").databases)
    database.open()
    try:
        with psycopg.connect(databases[name]) as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
            release = threading.Timer(1.0, connection.rollback)
            release.start()
            if query_name == "count_positive_users":
                assert len(EngagementDatabase(database).count_positive_users("-infinity").ids)
            elif query_name == "count_active_users":
                assert EngagementDatabase(database).count_active_users("-infinity")
            else:
                assert CatalogDatabase(database, MEDIA).fetch_catalogue()
            release.join()
    finally:
        database.close()
