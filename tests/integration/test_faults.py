"""Waits for a database stay within the time budget, and an outage costs one wait only."""

import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.databases.recording import recorded_statements
from recommender.demo.embedded import PostgresServer, server_url
from recommender.entities import DatabaseName
from tests.integration.test_fallbacks import (
    eventually,
    expected_strategy,
    user_with_everything,
)
from tests.support.clients import NO_CAPS, get, healthy_answer, ids, post_batch, running_client
from tests.support.postgres import Outage, Urls
from tests.support.proxy import HangingProxy
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName

_BUDGET_S = 1.0
# Time beyond a time budget, for a shared machine.
_SLACK_S = 1.0
# Between requests, which leaves the cores to others.
_PAUSE_S = 0.05
_TABLES = {USER: "tb_user_genre", CATALOG: "medias", ENGAGEMENT: "interaction"}


def behind(proxy: HangingProxy, urls: Urls, name: DatabaseName) -> Urls:
    return {**urls, name: proxy.url(urls[name].rpartition("/")[2])}


def timed_get(client: FlaskClient, user: str, **arguments: int) -> tuple[dict[str, Any], float]:
    started = time.monotonic()
    return get(client, user, **arguments), time.monotonic() - started


@contextmanager
def locked(urls: Urls, name: DatabaseName) -> Iterator[None]:
    """Lock a table against all readers."""
    with psycopg.connect(urls[name]) as connection:
        connection.execute(f"LOCK TABLE {_TABLES[name]} IN ACCESS EXCLUSIVE MODE".encode())
        yield


@pytest.mark.parametrize("name", DatabaseName)
def test_a_database_that_hangs_is_given_up_within_the_time_budget(
    databases: Urls, proxy: HangingProxy, name: DatabaseName
) -> None:
    reference = Reference(databases)
    user = user_with_everything(reference)
    expected = expected_strategy(reference, user, [name])
    with running_client(behind(proxy, databases, name), **NO_CAPS) as client:
        normal = healthy_answer(client, user)
        proxy.hang()
        for _ in range(5):
            answer, seconds = timed_get(client, user)
            assert answer["degraded"] == [name]
            assert seconds < _BUDGET_S + _SLACK_S
            if name is not CATALOG:
                assert answer["strategy"] == expected
        proxy.resume()
        assert eventually(lambda: get(client, user) == normal)


@pytest.mark.parametrize("name", DatabaseName)
def test_a_locked_database_is_given_up_within_the_time_budget(databases: Urls, name: DatabaseName) -> None:
    user = user_with_everything(Reference(databases))
    with running_client(databases, **NO_CAPS) as client:
        normal = healthy_answer(client, user)
        with locked(databases, name):
            for _ in range(3):
                answer, seconds = timed_get(client, user)
                assert answer["degraded"] == [name]
                assert seconds < _BUDGET_S + _SLACK_S
        assert eventually(lambda: get(client, user) == normal)


def test_with_every_database_hanging_the_budget_covers_all_of_them_together(
    databases: Urls, proxy: HangingProxy
) -> None:
    user = user_with_everything(Reference(databases))
    urls = databases
    for name in DatabaseName:
        urls = behind(proxy, urls, name)
    with running_client(urls, **NO_CAPS) as client:
        normal = healthy_answer(client, user)
        proxy.hang()
        answer, seconds = timed_get(client, user)
        assert answer["degraded"] == list(DatabaseName)
        assert answer["strategy"] == "popular"
        assert seconds < _BUDGET_S + _SLACK_S
        proxy.resume()
        assert eventually(lambda: get(client, user) == normal)


def test_a_batch_has_as_much_time_as_its_size_needs(databases: Urls) -> None:
    """26 users have twice the budget of one, which is longer than the lock lasts."""
    reference = Reference(databases)
    users = reference.users[:26]
    with running_client(databases, **NO_CAPS, TIME_BUDGET_MS="4000") as client:
        get(client, users[0])
        with psycopg.connect(databases[ENGAGEMENT]) as connection:
            connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
            release = threading.Timer(4.8, connection.rollback)
            release.start()
            results = post_batch(client, users)["results"]
            release.join()
    assert {tuple(result["degraded"]) for result in results.values()} == {()}


def test_after_the_first_failures_no_request_waits_for_a_database_that_is_out(
    databases: Urls, outage: Outage
) -> None:
    user = user_with_everything(Reference(databases))
    with running_client(databases, **NO_CAPS) as client:
        get(client, user)
        outage.stop(ENGAGEMENT)
        for _ in range(2):
            get(client, user)
        with recorded_statements() as statements:
            answers = [timed_get(client, user) for _ in range(30)]
        # Each wait for the pool would take 300 ms.
        waits = sorted(seconds for _, seconds in answers)
        assert waits[len(waits) // 2] < 0.15
        assert {tuple(answer["degraded"]) for answer, _ in answers} == {(ENGAGEMENT,)}
        assert not [name for name in map(str, statements) if name.startswith(ENGAGEMENT)]


@pytest.mark.parametrize("name", DatabaseName)
def test_while_a_table_is_locked_only_the_first_requests_wait(databases: Urls, name: DatabaseName) -> None:
    user = user_with_everything(Reference(databases))
    with running_client(databases, **NO_CAPS, TIME_BUDGET_MS="2000") as client:
        normal, _ = timed_get(client, user)
        assert normal["degraded"] == []
        usual = statistics.median(timed_get(client, user)[1] for _ in range(10))
        with locked(databases, name):
            ends_at = time.monotonic() + 6.0
            answers = []
            while time.monotonic() < ends_at:
                answers.append(timed_get(client, user))
                time.sleep(_PAUSE_S)
            waits = [seconds for _, seconds in answers]
            assert {tuple(answer["degraded"]) for answer, _ in answers} == {(name,)}
            # Twice the usual time, plus the delays of a busy machine.
            assert statistics.median(waits) < 2 * usual + 0.02
            assert sum(seconds > 0.3 for seconds in waits) <= 4
        assert eventually(lambda: get(client, user) == normal)


def test_a_wrong_password_degrades_and_is_never_logged(
    databases: Urls, server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(server_url(server, "postgres"), autocommit=True) as connection:
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        before = rules.read_text()
        connection.execute("CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'right'")
        rules.write_text("local all keeper scram-sha-256\n" + before)
        connection.execute("SELECT pg_reload_conf()")
        try:
            user = user_with_everything(Reference(databases))
            wrong = databases[ENGAGEMENT].replace("postgres@", "keeper:s3cret-but-wrong@")
            with running_client({**databases, ENGAGEMENT: wrong}, **NO_CAPS) as client:
                answer, seconds = timed_get(client, user)
                assert (answer["strategy"], answer["degraded"]) == ("content", [ENGAGEMENT])
                assert seconds < _BUDGET_S + _SLACK_S
                connection.execute("ALTER ROLE keeper PASSWORD 's3cret-but-wrong'")
                assert eventually(lambda: get(client, user)["degraded"] == [])
            assert "s3cret" not in caplog.text
        finally:
            rules.write_text(before)
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("DROP ROLE keeper")


@pytest.mark.parametrize("name", DatabaseName)
def test_a_dropped_table_degrades_until_it_is_back(databases: Urls, name: DatabaseName) -> None:
    user = user_with_everything(Reference(databases))
    table = _TABLES[name]
    with running_client(databases, **NO_CAPS) as client:
        normal = healthy_answer(client, user)
        with psycopg.connect(databases[name], autocommit=True) as connection:
            connection.execute(f"ALTER TABLE {table} RENAME TO away".encode())
            for _ in range(3):
                assert get(client, user)["degraded"] == [name]
            connection.execute(f"ALTER TABLE away RENAME TO {table}".encode())
        assert eventually(lambda: get(client, user) == normal)


def test_with_the_pool_exhausted_requests_degrade_and_recover(databases: Urls) -> None:
    user = user_with_everything(Reference(databases))
    with running_client(databases, POOL_SIZE="1", **NO_CAPS) as client:
        normal = healthy_answer(client, user)
        with locked(databases, ENGAGEMENT), ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: timed_get(client.application.test_client(), user), range(4)))
        for answer, seconds in answers:
            assert answer["degraded"] == [ENGAGEMENT]
            assert set(ids(answer)) & set(ids(normal))
            assert seconds < 2 * (_BUDGET_S + _SLACK_S)
        assert eventually(lambda: get(client, user) == normal)
