"""If threads cannot start, work is done later, or `/ready` reports what is missing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from recommender.databases.breaker import Breaker
from recommender.entities import DatabaseName
from tests.support.clients import PATIENT, get, running_app, running_client
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually, wait_until

USER = DatabaseName.USER
_start = threading.Thread.start


@contextmanager
def none_to_spare(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[None]:
    """Let no thread start whose name contains one of these."""

    def start(thread: threading.Thread) -> None:
        if any(name in thread.name for name in names):
            raise RuntimeError("can't start new thread")
        _start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        yield


def ready(client: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/ready").get_json()
    return answer


@pytest.mark.parametrize("name", ["user_db probe", "catalogue", "metrics", "model", "check catalog_db"])
def test_background_work_that_cannot_start_is_named_until_it_can(
    shared_databases: Urls, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with running_app(shared_databases, **PATIENT) as app:
        client = app.test_client()
        with none_to_spare(monkeypatch, name):
            assert name in ready(client)["stopped"]
            assert ready(client)["status"] in {"degraded", "unavailable"}
        wait_until(lambda: ready(client)["status"] == "ready")
        assert "stopped" not in ready(client)


def test_a_breaker_closes_again_though_its_probe_had_no_thread(
    databases: Urls, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = Reference(databases).users[0]
    with none_to_spare(monkeypatch, "user_db probe"), running_client(databases) as client:
        get(client, user)
        outage.stop(USER)
        assert get(client, user)["degraded"] == ["user_db"]
        outage.start(USER)
        monkeypatch.undo()
        assert eventually(lambda: get(client, user)["degraded"] == [])


def test_a_probe_that_raises_is_repeated(
    databases: Urls, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = Reference(databases).users[0]
    make = Breaker.__init__
    failures = iter([SystemExit, MemoryError, ValueError])

    def failing(breaker: Breaker, name: DatabaseName, probe: Callable[[], bool], **others: Any) -> None:
        def failing_probe() -> bool:
            for failure in failures:
                raise failure
            return probe()

        make(breaker, name, failing_probe, **others)

    monkeypatch.setattr(Breaker, "__init__", failing)
    with running_client(databases) as client:
        get(client, user)
        outage.stop(USER)
        assert get(client, user)["degraded"] == ["user_db"]
        outage.start(USER)
        assert eventually(lambda: get(client, user)["degraded"] == [])


def test_a_statement_that_cannot_be_cancelled_costs_no_place_in_the_pool(
    databases: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = Reference(databases).users[0]
    with running_client(databases, POOL_SIZE="1") as client:
        get(client, user)
        with (
            none_to_spare(monkeypatch, "cancel"),
            psycopg.connect(databases[USER]) as connection,
        ):
            connection.execute("LOCK TABLE tb_user_genre IN ACCESS EXCLUSIVE MODE")
            assert USER in get(client, user)["degraded"]
        assert eventually(lambda: get(client, user)["degraded"] == [])
