"""The service reads from a hot standby, where replay conflicts keep cancelling its queries."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from recommender.databases.connections import Connector
from recommender.demo.embedded import PostgresServer
from recommender.entities import DatabaseName
from tests.support.clients import get, running_client, settings_for
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.standby import Standby, conflicting, running_standby
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

ENGAGEMENT = DatabaseName.ENGAGEMENT
# As long as it takes for so many, but no longer than this.
_ROUNDS = _CONFLICTS = 15
_LONGEST_S = 60.0
_CALLERS = 3


@pytest.fixture(scope="module")
def standby(server: PostgresServer) -> Iterator[Standby]:
    with running_standby(server) as standby:
        yield standby


def test_conflicts_with_recovery_cost_no_answer(
    standby: Standby, databases: Urls, caplog: pytest.LogCaptureFixture
) -> None:
    users = Reference(databases).users
    urls = standby.urls(databases)
    done = threading.Event()
    lacks: Counter[str] = Counter()
    with running_client(urls, POOL_TIMEOUT_MS="5000", TIME_BUDGET_MS="10000") as client:

        def ask(first: int) -> None:
            own_client = client.application.test_client()
            place = first
            while not done.is_set():
                lacks.update(get(own_client, users[place % len(users)])["degraded"] or ["nothing"])
                place += _CALLERS

        before = standby.conflicts()
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(_CALLERS)]
        with conflicting(databases, 0.2) as rounds:
            for thread in threads:
                thread.start()
            ends_at = time.monotonic() + _LONGEST_S
            while time.monotonic() < ends_at and not (
                rounds[0] > _ROUNDS and standby.conflicts() - before > _CONFLICTS
            ):
                time.sleep(0.2)
            done.set()
            for thread in threads:
                thread.join()
        conflicts = standby.conflicts() - before
    assert rounds[0] > _ROUNDS
    assert conflicts > _CONFLICTS
    assert lacks["nothing"] > 100
    assert set(lacks) == {"nothing"}
    assert not [record for record in caplog.records if "does not answer" in record.getMessage()]


@pytest.mark.parametrize("settings_by", ["startup", "set"])
def test_a_standby_of_a_database_that_is_serializable_by_default_can_be_read(
    standby: Standby, databases: Urls, settings_by: str
) -> None:
    """A hot standby refuses serializable transactions, so also the one that would set another default."""
    with psycopg.connect(databases[ENGAGEMENT], autocommit=True) as connection:
        own = connection.info.dbname
        connection.execute(f"ALTER DATABASE {own} SET default_transaction_isolation = serializable".encode())
    settings = settings_for(standby.urls(databases), SESSION_SETTINGS_BY=settings_by).databases

    def is_serializable() -> bool:
        with psycopg.connect(settings.url(ENGAGEMENT), autocommit=True) as connection:
            return connection.execute("SHOW default_transaction_isolation").fetchone() == ("serializable",)

    wait_until(is_serializable)
    connector = Connector(ENGAGEMENT, settings)
    with connector.connect() as connection:
        assert connector.differences(connection) == []
        assert connection.isolation_level is None
