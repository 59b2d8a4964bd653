"""If threads cannot start, work is done later, or `/ready` reports what is missing."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.setting_types import ROOT
from recommender.databases.breaker import Breaker
from recommender.entities import DatabaseName
from tests.support.clients import PATIENT, get, running_app, running_client
from tests.support.gunicorn import gunicorn_in, settings_alone
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually, wait_until

USER = DatabaseName.USER
_start = threading.Thread.start
# No thread of a pool starts while the file `none` exists.
CONFIGURATION = """
import threading
from pathlib import Path

none, start = Path(__file__).with_name("none"), threading.Thread.start

def start_if_some(thread):
    if none.exists() and "user_db-worker" in thread.name:
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = start_if_some
__file__ = "config/gunicorn.conf.py"
exec(compile(Path(__file__).read_text(), __file__, "exec"))
"""


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


@pytest.mark.parametrize("name", ["user_db-scheduler", "user_db-worker-0"])
def test_a_pool_without_threads_is_made_again_for_the_next_request(
    shared_databases: Urls, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    user = Reference(shared_databases).users[0]
    with running_app(shared_databases, **PATIENT) as app:
        client = app.test_client()
        with none_to_spare(monkeypatch, name):
            for _ in range(2):
                assert client.get(f"/api/recommendations/{user}").status_code == 500
        assert eventually(lambda: ready(client)["status"] == "ready")
        assert get(client, user)["degraded"] == []


@pytest.mark.slow
def test_a_worker_without_threads_is_tried_again_and_the_others_go_on(
    shared_databases: Urls, tmp_path: Path
) -> None:
    path, none = tmp_path / "gunicorn.conf.py", tmp_path / "none"
    path.write_text(CONFIGURATION)
    command = [sys.executable, "-m", "gunicorn", "-c", str(path), "wsgi:app"]
    with gunicorn_in(ROOT, shared_databases, settings_alone(), command=command) as server:
        none.touch()
        next(iter(server.workers().values())).send_signal(signal.SIGTERM)
        wait_until(lambda: server.log.read_text().count("another one is tried") > 1)
        assert server.get("/ready").status == 200
        none.unlink()
        wait_until(lambda: server.value("marquee_workers", {"status": "ready"}) == 2)
