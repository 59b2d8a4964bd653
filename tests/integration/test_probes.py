"""While the server answers on the connections that are open, the breaker is closed, or closes again."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from recommender.databases.connections import Connector
from recommender.databases.database import Database
from recommender.databases.pool import StatementPool
from recommender.deadline import Deadline
from recommender.demo.embedded import PostgresServer
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError, StatementTimeoutError
from tests.integration.test_outcomes import execute, opened, overlay
from tests.support.clients import settings_for
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import Urls
from tests.support.proxy import HangingProxy, hanging_proxy
from tests.support.waiting import eventually

ENGAGEMENT = DatabaseName.ENGAGEMENT

_ROLE = "limited"
# Statements are given up after this long; others may take much longer on a busy machine.
_SHORT_S = 0.3
_LONG_S = 10.0
_SLEEP = "SELECT pg_sleep(:prefix::text::float8)::text AS user_id WHERE :top_k > 0;"
_OPENED = "engagement_db does not answer"
# Loopback addresses, and a name of both.
_DEAD, _ALIVE = "127.0.0.2", "127.0.0.1"
_NAME = "db.internal"


@pytest.fixture
def role_urls(databases: Urls) -> Iterator[Urls]:
    """Return URLs for a role that may read interactions, and that a test may restrict."""
    execute(databases, f"CREATE ROLE {_ROLE} LOGIN; GRANT SELECT ON interaction TO {_ROLE}")
    yield {name: url.replace("postgres@", f"{_ROLE}@") for name, url in databases.items()}
    execute(databases, f"DROP OWNED BY {_ROLE}; DROP ROLE {_ROLE}")


@pytest.fixture
def sleeping(tmp_path: Path) -> Path:
    """Return an SQL_PATH in which `search_users` sleeps for as many seconds as its prefix says."""
    return overlay(tmp_path, "search_users(prefix, top_k)", _SLEEP)


def sleep(database: Database, seconds: float, deadline_s: float = _LONG_S) -> None:
    database.fetch("search_users", Deadline.after(deadline_s), prefix=str(seconds), top_k=1)


def answers(database: Database) -> bool:
    try:
        return bool(database.fetch("fetch_random_user", Deadline.after(_LONG_S)))
    except DatabaseUnavailableError:
        return False


def fill(database: Database, count: int) -> None:
    """Open as many connections, by statements that run at the same time."""

    def is_filled() -> bool:
        threads = [threading.Thread(target=sleep, args=(database, 0.3)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return eventually(lambda: idle_connections(database) == count, 1.0)

    assert eventually(is_filled)


def keep_asking(database: Database, *, callers: int, seconds: float, each_s: float) -> int:
    """Run statements in several threads, more than there are connections; return how many succeeded."""
    ends_at = time.monotonic() + seconds
    succeeded: list[bool] = []

    def ask() -> None:
        while time.monotonic() < ends_at:
            try:
                sleep(database, each_s)
                succeeded.append(True)
            except DatabaseUnavailableError:
                time.sleep(0.05)

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(succeeded)


def idle_connections(database: Database) -> int:
    return database.pool_stats()["pool_available"]


def test_a_database_is_used_again_though_the_pool_has_all_connections_that_it_allows(
    databases: Urls, role_urls: Urls, sleeping: Path
) -> None:
    with opened(role_urls, sleeping, size=2, breaker=True, pool_timeout_ms=5_000) as database:
        fill(database, 2)
        execute(databases, f"ALTER ROLE {_ROLE} CONNECTION LIMIT 2")
        with psycopg.connect(databases[ENGAGEMENT]) as connection:
            connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StatementTimeoutError):
                database.fetch("fetch_random_user", Deadline.after(_SHORT_S))
            assert eventually(lambda: database.state == "down")
            # All places of the role are the pool's.
            assert eventually(lambda: idle_connections(database) == 2)
        assert eventually(lambda: answers(database))


@pytest.mark.slow
def test_a_database_is_used_again_though_the_pool_has_all_sessions_of_pgbouncer(
    server: PostgresServer, databases: Urls, sleeping: Path
) -> None:
    settings = {"pool_mode": "session", "default_pool_size": "2", "ignore_startup_parameters": "options"}
    with running_pgbouncer(server, databases, settings) as through:
        variables = {"SESSION_SETTINGS_BY": "set", "POOL_SIZE": "4", "POOL_TIMEOUT_MS": "300"}
        given = settings_for(through, **variables, SQL_PATH=str(sleeping)).databases
        database = Database(ENGAGEMENT, given, breaker=True)
        database.open()
        try:
            assert eventually(lambda: answers(database))
            assert keep_asking(database, callers=6, seconds=3.0, each_s=0.2)
            assert eventually(lambda: answers(database))
        finally:
            database.close()


def test_with_all_connections_busy_the_breaker_stays_closed(
    databases: Urls, role_urls: Urls, sleeping: Path, caplog: pytest.LogCaptureFixture
) -> None:
    execute(databases, f"ALTER ROLE {_ROLE} CONNECTION LIMIT 2")
    with opened(role_urls, sleeping, size=4, breaker=True, pool_timeout_ms=300) as database:
        assert eventually(lambda: answers(database))
        caplog.clear()
        assert keep_asking(database, callers=6, seconds=3.0, each_s=0.2)
    assert "(no_connection)" in caplog.text
    assert _OPENED not in caplog.text


def test_a_probe_does_not_wait_for_statements_that_have_ended(databases: Urls) -> None:
    settings = settings_for(databases).databases
    pool = StatementPool(ENGAGEMENT, Connector(ENGAGEMENT, settings), settings)
    pool.open()
    try:
        deadline = Deadline.after(_LONG_S)
        connection = pool.lend(deadline)
        pool.read_on(connection, lambda lent: lent.execute("SELECT 1").fetchall())
        assert pool.has_answered_since(deadline.started_at, deadline)
        assert not pool.has_answered_since(time.monotonic(), deadline)
        assert deadline.remaining_s
    finally:
        pool.close()


@pytest.mark.parametrize("limit", ["the request's", "the server's"])
def test_a_slow_statement_costs_no_other_connection_while_logins_are_refused(
    databases: Urls, role_urls: Urls, sleeping: Path, caplog: pytest.LogCaptureFixture, limit: str
) -> None:
    if limit == "the server's":
        # The server ends the session, too.
        execute(databases, f"ALTER ROLE {_ROLE} SET transaction_timeout = '1s'")
    with opened(role_urls, sleeping, size=4, breaker=True, pool_timeout_ms=5_000) as database:
        fill(database, 3)
        execute(databases, f"ALTER ROLE {_ROLE} NOLOGIN")
        caplog.clear()
        with pytest.raises(StatementTimeoutError):
            sleep(database, 5, deadline_s=_SHORT_S if limit == "the request's" else _LONG_S)
        for _ in range(10):
            assert answers(database)
            time.sleep(0.1)
        assert idle_connections(database) == 2
    assert _OPENED not in caplog.text


def test_connections_that_hang_are_all_dropped(databases: Urls, proxy: HangingProxy, sleeping: Path) -> None:
    """So that, after a network has lost them silently, one request fails and not one for each of them."""
    urls = {**databases, ENGAGEMENT: proxy.url(databases[ENGAGEMENT].rpartition("/")[2])}
    with opened(urls, sleeping, size=4, breaker=True, pool_timeout_ms=5_000) as database:
        fill(database, 4)
        before = database.pool_stats()["connections_num"]
        proxy.hang()
        with pytest.raises(StatementTimeoutError):
            database.fetch("fetch_random_user", Deadline.after(_SHORT_S))
        assert eventually(lambda: idle_connections(database) == 0)
        proxy.resume()
        assert eventually(lambda: answers(database))
        assert database.pool_stats()["connections_num"] > before


@pytest.fixture
def dead(server: PostgresServer, proxy: HangingProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return a host that accepts connections and hangs. `_NAME` has its address twice, then the proxy's."""
    info = server.get_postmaster_info()
    resolve = socket.getaddrinfo

    def resolve_name(host: str, *arguments: Any, **options: Any) -> list[Any]:
        addresses = (_DEAD, _DEAD, _ALIVE) if host == _NAME else (host,)
        return [found for each in addresses for found in resolve(each, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve_name)
    target = Path(str(info.socket_dir)) / f".s.PGSQL.{info.port}"
    with hanging_proxy(target, address=(_DEAD, proxy.port)) as hanging:
        hanging.hang()
        yield f"{_DEAD}:{proxy.port}"


@pytest.mark.parametrize("by", ["three hosts", "one name with three addresses"])
def test_while_other_hosts_hang_no_statement_is_refused_that_one_answers(
    databases: Urls, proxy: HangingProxy, dead: str, tmp_path: Path, by: str
) -> None:
    database_name = databases[ENGAGEMENT].rpartition("/")[2]
    if by == "three hosts":
        url = proxy.url(database_name).replace("@", f"@{dead},{dead},")
    else:
        url = proxy.url(database_name, _NAME)
    # Connecting takes four seconds. So the first statement fails, and the probe takes four more.
    with opened(
        {**databases, ENGAGEMENT: url}, tmp_path, size=4, breaker=True, pool_timeout_ms=3_500
    ) as database:
        assert not answers(database)
        assert answers(database)
        for _ in range(2):
            time.sleep(1.5)
            assert answers(database)


@pytest.mark.parametrize("attributes", ["any", "prefer-standby"])
def test_requests_are_as_patient_with_other_hosts_as_connecting_takes(
    databases: Urls, proxy: HangingProxy, dead: str, attributes: str
) -> None:
    """With `prefer-standby`, all hosts are tried twice if none is a standby."""
    url = proxy.url(databases[ENGAGEMENT].rpartition("/")[2]).replace("@", f"@{dead},")
    url += f"?target_session_attrs={attributes}"
    connector = Connector(ENGAGEMENT, settings_for({**databases, ENGAGEMENT: url}).databases)
    started = time.monotonic()
    connector.connect().close()
    taken_s = time.monotonic() - started
    assert taken_s - 1 < connector.other_hosts_s < taken_s + 3
