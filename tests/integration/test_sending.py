"""A statement that is sent ahead runs while another one is waited for, and fails as any other does."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from recommender.databases.database import Database
from recommender.databases.pool import StatementPool
from recommender.databases.recording import recorded_statements
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError, StatementTimeoutError
from tests.support.clients import settings_for
from tests.support.postgres import Urls
from tests.support.waiting import wait_until

USER = DatabaseName.USER
QUERY = "fetch_genre_preferences"
SLOW = "SELECT 'asked'::text, ARRAY[pg_sleep(0.5)::text] WHERE :user_ids::text[] IS NOT NULL;"
FAST = "SELECT 'asked'::text, ARRAY['']::text[] WHERE :user_ids::text[] IS NOT NULL;"
NEVER = "SELECT 'asked'::text, ARRAY[pg_sleep(60)::text] WHERE :user_ids::text[] IS NOT NULL;"


@contextmanager
def user_db(urls: Urls, folder: Path, statement: str, **variables: str) -> Iterator[Database]:
    """A pool on user_db whose statement is another one."""
    path = folder / USER / f"{QUERY}.sql"
    path.parent.mkdir()
    path.write_text(f"-- name: {QUERY}(user_ids)\n{statement}\n")
    settings = settings_for(urls, SQL_PATH=str(folder), POOL_TIMEOUT_MS="10000", **variables)
    database = Database(USER, settings.databases)
    database.open()
    try:
        yield database
    finally:
        database.close()


def running(urls: Urls) -> list[int]:
    """Return the processes of the server that run the statement."""
    with psycopg.connect(urls[USER], autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
            "AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in found]


def test_the_server_works_before_the_rows_are_waited_for(databases: Urls, tmp_path: Path) -> None:
    with (
        user_db(databases, tmp_path, SLOW) as database,
        recorded_statements() as runs,
        database.sending(QUERY, Deadline.after(20), user_ids=[]) as receive,
    ):
        wait_until(lambda: bool(running(databases)))
        assert runs == []
        assert receive() == [("asked", [""])]
        assert [run.name for run in runs] == [f"user_db.{QUERY}"]


def test_rows_that_nothing_waits_for_are_given_up(databases: Urls, tmp_path: Path) -> None:
    with user_db(databases, tmp_path, NEVER, POOL_SIZE="2") as database:
        with database.sending(QUERY, Deadline.after(20), user_ids=[]):
            wait_until(lambda: bool(running(databases)))
        wait_until(lambda: not running(databases))
        wait_until(lambda: database.pool_stats()["pool_available"] == database.pool_stats()["pool_size"])


def test_the_deadline_is_that_of_the_sending(databases: Urls, tmp_path: Path) -> None:
    with (
        user_db(databases, tmp_path, NEVER) as database,
        database.sending(QUERY, Deadline.after(0.5), user_ids=[]) as receive,
        pytest.raises(StatementTimeoutError),
    ):
        receive()


def test_rows_that_came_in_time_count_after_the_deadline(databases: Urls, tmp_path: Path) -> None:
    deadline = Deadline.after(5)
    with (
        user_db(databases, tmp_path, SLOW) as database,
        database.sending(QUERY, deadline, user_ids=[]) as receive,
    ):
        wait_until(lambda: bool(running(databases)))
        wait_until(lambda: not running(databases))
        # As another server has taken the rest of the time.
        wait_until(lambda: not deadline.remaining_s)
        assert receive() == [("asked", [""])]


def test_a_connection_lost_on_the_way_is_replaced(databases: Urls, tmp_path: Path) -> None:
    with (
        user_db(databases, tmp_path, SLOW) as database,
        database.sending(QUERY, Deadline.after(20), user_ids=[]) as receive,
    ):
        wait_until(lambda: bool(running(databases)))
        with psycopg.connect(databases[USER], autocommit=True) as connection:
            for pid in running(databases):
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        assert receive() == [("asked", [""])]


def test_a_statement_the_server_refuses_fails_where_it_is_waited_for(databases: Urls, tmp_path: Path) -> None:
    with (
        user_db(databases, tmp_path, "SELECT 1 FROM nowhere WHERE :user_ids::text[] IS NULL;") as database,
        database.sending(QUERY, Deadline.after(20), user_ids=[]) as receive,
        pytest.raises(DatabaseUnavailableError, match="nowhere"),
    ):
        receive()


def test_the_last_connection_is_not_kept_while_another_server_is_waited_for(
    databases: Urls, tmp_path: Path
) -> None:
    with (
        user_db(databases, tmp_path, SLOW, POOL_SIZE="1") as database,
        database.sending(QUERY, Deadline.after(20), user_ids=[]) as receive,
    ):
        assert database.pool_stats()["pool_available"] == 1
        assert receive() == [("asked", [""])]


def test_a_statement_that_is_not_sent_says_nothing_about_the_database(
    databases: Urls, tmp_path: Path
) -> None:
    with user_db(databases, tmp_path, SLOW) as database, recorded_statements() as runs:
        state = database.state
        with (
            database.sending(QUERY, Deadline.after(0), user_ids=[]) as receive,
            pytest.raises(StatementTimeoutError),
        ):
            receive()
        assert (database.state, runs) == (state, [])


def test_the_wait_for_a_connection_counts_as_time_of_the_statement(databases: Urls, tmp_path: Path) -> None:
    with user_db(databases, tmp_path, FAST) as database:
        send = StatementPool.send

        def send_late(*arguments: Any) -> Any:
            time.sleep(0.2)
            return send(*arguments)

        with pytest.MonkeyPatch.context() as patch, recorded_statements() as runs:
            patch.setattr(StatementPool, "send", send_late)
            with database.sending(QUERY, Deadline.after(20), user_ids=[]) as receive:
                receive()
        assert [run.seconds >= 0.2 for run in runs] == [True]
