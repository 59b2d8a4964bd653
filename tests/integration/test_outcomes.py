"""A failed statement is classified by its cause: one slow request does not open the breaker."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from recommender.databases.database import Database
from recommender.databases.queries import load_queries
from recommender.deadline import Deadline
from recommender.entities import DatabaseName, DatabaseState
from recommender.errors import DatabaseUnavailableError, StatementTimeoutError
from tests.support.clients import NO_CAPS, get, running_client, settings_for
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import wait_until

ENGAGEMENT = DatabaseName.ENGAGEMENT


def overlay(folder: Path, query: str, statement: str) -> Path:
    """Replace a statement of engagement_db, and return SQL_PATH. `query`: its name with its parameters."""
    path = folder / ENGAGEMENT / f"{query.partition('(')[0]}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"-- name: {query}\n{statement}\n")
    return folder


@contextmanager
def opened(
    urls: Urls, sql_path: Path, *, size: int, breaker: bool = False, pool_timeout_ms: int = 1_000
) -> Iterator[Database]:
    variables = {"POOL_SIZE": str(size), "POOL_TIMEOUT_MS": str(pool_timeout_ms), "SQL_PATH": str(sql_path)}
    database = Database(ENGAGEMENT, settings_for(urls, **variables).databases, breaker=breaker)
    database.open()
    try:
        yield database
    finally:
        database.close()


def running_statements(urls: Urls) -> int:
    """Return how many statements of the service are running."""
    with psycopg.connect(urls[ENGAGEMENT]) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'marquee' AND state = 'active' "
            "AND datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def execute(urls: Urls, statement: str) -> None:
    with psycopg.connect(urls[ENGAGEMENT], autocommit=True) as connection:
        connection.execute(statement.encode())


def test_a_slow_history_does_not_take_the_database_from_other_users(databases: Urls, tmp_path: Path) -> None:
    reference = Reference(databases)
    heavy, *others = [user for user in reference.users if reference.positive.get(user)]
    sql_path = overlay(
        tmp_path,
        "fetch_histories(user_ids)",
        "SELECT u.user_id, NULL::text[], NULL::text[], NULL::int[], NULL::boolean[], ''::bytea "
        "FROM unnest(:user_ids::text[]) AS u (user_id) "
        "WHERE u.user_id <> '" + heavy + "' OR pg_sleep(30) IS NULL;",
    )
    done = threading.Event()
    with running_client(databases, SQL_PATH=str(sql_path), TIME_BUDGET_MS="2000", **NO_CAPS) as client:

        def ask_for_the_heavy_user() -> None:
            own_client = client.application.test_client()
            while not done.is_set():
                assert get(own_client, heavy)["degraded"] == [ENGAGEMENT]

        threads = [threading.Thread(target=ask_for_the_heavy_user) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            ends_at = time.monotonic() + 5.0
            answers: list[list[str]] = []
            while time.monotonic() < ends_at:
                answers.append(get(client, others[len(answers) % len(others)])["degraded"])
        finally:
            done.set()
            for thread in threads:
                thread.join()
    assert len(answers) > 20
    assert [degraded for degraded in answers if degraded] == []


def test_statements_that_are_given_up_are_cancelled_in_the_server(databases: Urls, tmp_path: Path) -> None:
    sql_path = overlay(tmp_path, "fetch_example_user()", "SELECT pg_sleep(60)::text AS user_id;")
    with opened(databases, sql_path, size=3, pool_timeout_ms=200) as database:

        def give_up() -> None:
            with pytest.raises(DatabaseUnavailableError):
                database.fetch("fetch_example_user", Deadline.after(0.2))

        for _ in range(6):
            threads = [threading.Thread(target=give_up) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert running_statements(databases) <= 3
        wait_until(lambda: running_statements(databases) == 0)


def test_a_slow_statement_is_distinguished_from_a_database_that_is_down(
    databases: Urls, tmp_path: Path
) -> None:
    sql_path = overlay(tmp_path, "fetch_example_user()", "SELECT pg_sleep(60)::text AS user_id;")
    with opened(databases, sql_path, size=1, breaker=True) as database:
        for _ in range(3):
            with pytest.raises(StatementTimeoutError):
                database.fetch("fetch_example_user", Deadline.after(0.1))
        assert database.fetch("fetch_random_user")
        assert database.state in {DatabaseState.UP, DatabaseState.SLOW}


def test_a_random_user_is_found_whatever_the_range_of_ids(databases: Urls, tmp_path: Path) -> None:
    execute(
        databases,
        "INSERT INTO interaction (id, user_id, media_id) VALUES "
        "(-9223372036854775807, gen_random_uuid(), gen_random_uuid()), "
        "(9223372036854775807, gen_random_uuid(), gen_random_uuid())",
    )
    with opened(databases, tmp_path, size=1) as database:
        for _ in range(20):
            assert len(database.fetch("fetch_random_user")) == 1


def test_ddl_between_two_uses_of_a_prepared_statement_costs_no_answer(
    databases: Urls, tmp_path: Path
) -> None:
    execute(databases, "CREATE TABLE wide (word varchar(10)); INSERT INTO wide VALUES ('before')")
    sql_path = overlay(tmp_path, "fetch_example_user()", "SELECT w.word FROM wide AS w;")
    with opened(databases, sql_path, size=2) as database:
        for width in (20, 30, 40):
            assert database.fetch("fetch_example_user") == [("before",)]
            execute(databases, f"ALTER TABLE wide ALTER word TYPE varchar({width})")
            assert database.fetch("fetch_example_user") == [("before",)]


def test_a_prepared_statement_that_a_pooler_has_lost_is_prepared_again(
    databases: Urls, tmp_path: Path
) -> None:
    execute(
        databases,
        "CREATE FUNCTION forget() RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN 'forgotten'; END $$",
    )
    sql_path = overlay(tmp_path, "fetch_example_user()", "SELECT forget();")
    with opened(databases, sql_path, size=1) as database:
        for _ in range(3):
            assert database.fetch("fetch_random_user")
            assert database.fetch("fetch_example_user") == [("forgotten",)]


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_statement_is_repeated_if_the_server_asks_for_it(
    databases: Urls, tmp_path: Path, code: str
) -> None:
    """A conflict with recovery on a standby, made here by the first call on each connection."""
    execute(
        databases,
        f"""CREATE FUNCTION conflict() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) THEN
                PERFORM pg_advisory_lock(pg_backend_pid());
                RAISE EXCEPTION 'canceling statement due to conflict with recovery' USING ERRCODE = '{code}';
            END IF;
            RETURN 'answered';
        END $$""",
    )
    sql_path = overlay(tmp_path, "fetch_example_user()", "SELECT conflict();")
    with opened(databases, sql_path, size=1, breaker=True) as database:
        assert database.fetch("fetch_example_user") == [("answered",)]
        assert database.state is DatabaseState.UP


@pytest.mark.parametrize("code", ["08001", "57P01"])
def test_an_error_of_another_server_costs_no_connection_to_this_one(
    databases: Urls, tmp_path: Path, code: str
) -> None:
    """postgres_fdw reports that its own server is down with a code of lost connections."""
    execute(
        databases,
        "CREATE FUNCTION remote() RETURNS text LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'could not connect to server \"other\"' USING ERRCODE = '{code}'; END $$",
    )
    sql_path = overlay(tmp_path, "fetch_example_user()", "SELECT remote();")
    overlay(tmp_path, "fetch_random_user()", "SELECT pg_backend_pid()::text AS user_id;")
    with opened(databases, sql_path, size=1) as database:
        before = database.fetch("fetch_random_user")
        for _ in range(3):
            with pytest.raises(DatabaseUnavailableError):
                database.fetch("fetch_example_user")
        assert database.fetch("fetch_random_user") == before


def test_a_search_without_caps_that_takes_too_long_falls_back_to_them(
    databases: Urls, tmp_path: Path
) -> None:
    """Only the exact statement is slow, so the answer uses the caps and is not degraded."""
    reference = Reference(databases)
    user = max(reference.positive, key=lambda user: len(reference.positive[user]))
    text = load_queries(ENGAGEMENT)["fetch_media_of_users"].path.read_text()
    pause = "CASE WHEN :rows_per_user > 1000000 THEN left(pg_sleep(1)::text, 0)::bytea END"
    slow = text.replace("list.media_keys, ''::bytea", f"list.media_keys, coalesce({pause}, ''::bytea)")
    assert slow != text
    (tmp_path / ENGAGEMENT).mkdir()
    (tmp_path / ENGAGEMENT / "fetch_media_of_users.sql").write_text(slow)
    with running_client(databases, EXACT_UP_TO_PAIRS="0") as client:
        expected = get(client, user)
    with running_client(databases, SQL_PATH=str(tmp_path)) as client:
        answer = get(client, user)
    assert answer["degraded"] == []
    assert answer == expected
