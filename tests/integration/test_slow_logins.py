"""A server whose login takes seconds, as that of a database that resumes, can be used."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from recommender.databases.connections import connect_to_write
from recommender.databases.database import Database
from recommender.databases.inspection import Inspection
from recommender.databases.patient import patient_database
from recommender.demo.embedded import PostgresServer
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError, DatabaseUnavailableError
from tests.support.clients import settings_for
from tests.support.postgres import Urls
from tests.support.proxy import hanging_proxy
from tests.support.waiting import eventually

ENGAGEMENT = DatabaseName.ENGAGEMENT
# Without a timeout of the URL, requests give a connection 2 s.
_LOGIN_S = 3.0
_PATIENT = {"POOL_TIMEOUT_MS": "6000"}


@pytest.fixture(scope="module")
def slow_urls(server: PostgresServer, shared_databases: Urls) -> Iterator[Urls]:
    info = server.get_postmaster_info()
    with hanging_proxy(Path(str(info.socket_dir)) / f".s.PGSQL.{info.port}", _LOGIN_S) as proxy:
        name = shared_databases[ENGAGEMENT].rpartition("/")[2]
        # Each further attempt, for encryption, would take as long.
        url = f"{proxy.url(name)}?sslmode=disable&gssencmode=disable"
        yield {**shared_databases, ENGAGEMENT: url}


def answers(urls: Urls) -> bool:
    """Return whether requests get an answer, as soon as a connection could be made."""
    database = Database(ENGAGEMENT, settings_for(urls, **_PATIENT).databases)
    database.open()
    try:
        return len(database.fetch("fetch_random_user")) == 1
    except DatabaseUnavailableError:
        return False
    finally:
        database.close()


def test_commands_check_and_imports_wait_for_it(slow_urls: Urls) -> None:
    settings = settings_for(slow_urls, **_PATIENT).databases
    with patient_database(ENGAGEMENT, settings) as database:
        assert len(database.fetch("fetch_random_user")) == 1
    with Inspection(ENGAGEMENT, settings) as inspection:
        assert inspection.measure_round_trip_ms() > 0
    with connect_to_write(slow_urls[ENGAGEMENT]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_requests_wait_only_if_the_url_or_the_environment_says_so(
    slow_urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not answers(slow_urls)
    url = f"{slow_urls[ENGAGEMENT]}&connect_timeout=10"
    assert answers({**slow_urls, ENGAGEMENT: url})
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "10")
    assert answers(slow_urls)


def test_requests_are_answered_once_a_connection_is_made(slow_urls: Urls) -> None:
    """A request waits for a connection for a shorter time than the login takes."""
    url = f"{slow_urls[ENGAGEMENT]}&connect_timeout=10"
    database = Database(ENGAGEMENT, settings_for({**slow_urls, ENGAGEMENT: url}).databases, breaker=True)
    database.open()

    def answers_now() -> bool:
        try:
            return len(database.fetch("fetch_random_user")) == 1
        except DatabaseUnavailableError:
            return False

    try:
        assert not answers_now()
        assert eventually(answers_now, 20.0)
        assert answers_now()
    finally:
        database.close()


def test_a_timeout_that_is_no_number_is_refused_at_start(
    shared_databases: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "soon")
    with pytest.raises(ConfigurationError, match=r"engagement_db.* connect_timeout=soon"):
        Database(ENGAGEMENT, settings_for(shared_databases).databases)
    with pytest.raises(psycopg.ProgrammingError, match="connect_timeout=soon"):
        connect_to_write(shared_databases[ENGAGEMENT])
