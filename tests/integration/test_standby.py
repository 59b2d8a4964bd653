"""The service reads from a hot standby, where replay conflicts keep cancelling its queries."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from recommender.demo.embedded import PostgresServer
from tests.support.clients import get, running_client
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.standby import Standby, conflicting, running_standby

pytestmark = pytest.mark.slow

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
