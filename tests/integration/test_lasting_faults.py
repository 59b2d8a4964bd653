"""A database is down while one of its statements fails each time, though connections to it work."""

import time
from pathlib import Path

import pytest

from recommender.databases import faults
from recommender.databases.database import Database
from recommender.deadline import Deadline
from recommender.entities import DatabaseName, DatabaseState
from recommender.errors import DatabaseUnavailableError
from tests.integration.test_outcomes import execute, opened, overlay
from tests.integration.test_probes import role_urls
from tests.integration.test_readiness import ready, says
from tests.support.clients import NO_CAPS, get, running_client
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually

__all__ = ["role_urls"]

ENGAGEMENT = DatabaseName.ENGAGEMENT
# Fails when it runs, with top_k=0, and can be planned all the time.
_DIVISION = "SELECT (1 / :top_k::int)::text || :prefix::text AS user_id;"


def divide(database: Database, top_k: int) -> bool:
    try:
        return bool(database.fetch("search_users", Deadline.after(10.0), prefix="", top_k=top_k))
    except DatabaseUnavailableError:
        return False


def is_down_after_a_check(database: Database) -> bool:
    database.check()
    return database.state is DatabaseState.DOWN


def test_while_each_request_fails_ready_says_so_until_the_statement_is_right_again(databases: Urls) -> None:
    user = next(iter(Reference(databases).positive))
    with running_client(databases, **NO_CAPS) as client:
        assert eventually(lambda: says(client, 200, "ready"))
        execute(databases, "ALTER TABLE interaction RENAME interaction_value TO renamed")
        assert eventually(lambda: get(client, user)["degraded"] == [ENGAGEMENT])
        ends_at = time.monotonic() + 3.0
        while time.monotonic() < ends_at:
            assert says(client, 200, "degraded", engagement_db="down"), ready(client)
            time.sleep(0.1)
        execute(databases, "ALTER TABLE interaction RENAME renamed TO interaction_value")
        assert eventually(lambda: says(client, 200, "ready")), "without requests"


def test_a_database_is_down_while_a_privilege_is_missing(
    databases: Urls, role_urls: Urls, tmp_path: Path
) -> None:
    with opened(role_urls, tmp_path, size=2, breaker=True) as database:
        assert database.fetch("fetch_random_user")
        execute(databases, "REVOKE SELECT ON interaction FROM limited")
        with pytest.raises(DatabaseUnavailableError):
            database.fetch("fetch_random_user")
        assert is_down_after_a_check(database)
        assert is_down_after_a_check(database)
        execute(databases, "GRANT SELECT ON interaction TO limited")
        assert not is_down_after_a_check(database)


def test_other_statements_that_succeed_do_not_hide_one_that_fails(databases: Urls, tmp_path: Path) -> None:
    overlay(tmp_path, "fetch_example_user()", "SELECT missing FROM interaction;")
    with opened(databases, tmp_path, size=2, breaker=True) as database:
        with pytest.raises(DatabaseUnavailableError):
            database.fetch("fetch_example_user")
        assert database.fetch("fetch_random_user")
        assert is_down_after_a_check(database)


def test_data_of_one_request_makes_no_database_down_for_long(databases: Urls, tmp_path: Path) -> None:
    overlay(tmp_path, "search_users(prefix, top_k)", _DIVISION)
    with opened(databases, tmp_path, size=2, breaker=True) as database:
        assert not divide(database, 0)
        assert not is_down_after_a_check(database)


def test_a_statement_that_fails_each_time_it_runs_makes_a_database_down_until_it_succeeds(
    databases: Urls, tmp_path: Path
) -> None:
    overlay(tmp_path, "search_users(prefix, top_k)", _DIVISION)
    with opened(databases, tmp_path, size=2, breaker=True) as database:
        for _ in range(3):
            assert not divide(database, 0)
        assert is_down_after_a_check(database)
        assert divide(database, 1)
        assert not is_down_after_a_check(database)


def test_a_statement_that_is_not_asked_for_any_more_makes_no_database_down(
    databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_KNOWN_FOR_S", 0.5)
    overlay(tmp_path, "search_users(prefix, top_k)", _DIVISION)
    with opened(databases, tmp_path, size=2, breaker=True) as database:
        for _ in range(3):
            assert not divide(database, 0)
        assert is_down_after_a_check(database)
        assert eventually(lambda: not is_down_after_a_check(database), 5.0)


def test_checking_for_faults_keeps_no_connection_busy(databases: Urls, tmp_path: Path) -> None:
    overlay(tmp_path, "fetch_example_user()", "SELECT missing FROM interaction;")
    with opened(databases, tmp_path, size=1, breaker=True) as database:
        with pytest.raises(DatabaseUnavailableError):
            database.fetch("fetch_example_user")
        for _ in range(3):
            database.check()
            assert database.fetch("fetch_random_user")
        assert database.pool_stats()["connections_num"] == 1, "none was closed"
