"""Gunicorn under overload, and stopping, reloading, losing and replacing its workers."""

import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from select import select

import psycopg
import pytest

from config.access_settings import KeyScope
from config.setting_types import ROOT
from recommender.auth_keys import make_key
from recommender.entities import DatabaseName
from tests.support.clients import PATIENT
from tests.support.gunicorn import Answer, GunicornServer, gunicorn_in, running_gunicorn, without_numba
from tests.support.postgres import Urls
from tests.support.reference import Reference

pytestmark = pytest.mark.slow

ENGAGEMENT = DatabaseName.ENGAGEMENT
# Between the requests of a client, so that the cores are left to the service.
_PAUSE_S = 0.05
_STRANGER = "11111111-1111-4111-8111-111111111111"
# Asks all databases, in a third of the time that a user with a history takes.
_PATH = f"/api/recommendations/{_STRANGER}"
_BATCH = "/api/recommendations/batch"
_STATEMENT = "sql/engagement_db/fetch_histories.sql"


@pytest.fixture(scope="module")
def path(shared_databases: Urls) -> str:
    return f"/api/recommendations/{Reference(shared_databases).users[0]}"


def wait_until(check: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def asked_all_the_time(server: GunicornServer, path: str) -> Iterator[list[Answer]]:
    """Send requests from two clients meanwhile; an error fails the test."""
    answers: list[Answer] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(server.get(path))
            done.wait(_PAUSE_S)

    with ThreadPoolExecutor(2) as threads:
        clients: list[Future[None]] = [threads.submit(ask) for _ in range(2)]
        try:
            yield answers
        finally:
            done.set()
    for client in clients:
        client.result()


@contextmanager
def engagement_locked(urls: Urls) -> Iterator[None]:
    with psycopg.connect(urls[ENGAGEMENT]) as connection:
        connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_stop_finishes_requests_in_flight(databases: Urls, path: str) -> None:
    with running_gunicorn(databases) as server, ThreadPoolExecutor(1) as threads:
        server.get(path)
        with engagement_locked(databases):
            in_flight = threads.submit(server.get, path)
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            answer = in_flight.result()
        assert (answer.status, answer.body["degraded"]) == (200, [ENGAGEMENT])
        assert server.process.wait(20) == 0
        with pytest.raises(ConnectionRefusedError):
            server.get(path)


def test_a_reload_replaces_every_worker_and_fails_no_request(shared_databases: Urls) -> None:
    # New workers load their index while the test's own processes load the machine.
    with running_gunicorn(shared_databases, **PATIENT) as server:
        wait_until(lambda: len(server.workers()) == 2)
        before = set(server.workers())
        with asked_all_the_time(server, _PATH) as answers:
            time.sleep(0.5)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(server.workers()) == 2 and not before & set(server.workers()), 30)
            time.sleep(0.5)
        assert [answer.body for answer in answers if answer.status != 200] == []
        assert len(answers) > 20


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy the files that the service needs, with an `.env`, statements and compiled code."""
    # Without temporary files, which other processes rename meanwhile.
    drafts = shutil.ignore_patterns("*.pyc.*", "tmp*")
    for name in ("config", "recommender", "sql"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=drafts)
    for name in ("app.py", "wsgi.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


# A file, what makes it bad, and what the log then names.
BAD_FILES = (
    (".env", b"POOL_SIZE=ten", "POOL_SIZE"),
    (".env", "# Café".encode("latin-1"), "UTF-8"),
    (".env", b"HOST=203.0.113.1\nALLOW_ANONYMOUS=true", "cannot listen on 203.0.113.1"),
    (_STATEMENT, b"-- name: other()\nSELECT 1;", _STATEMENT),
)


@pytest.fixture
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    # One worker starts at half the cost, and there are many starts.
    return {"TRAINING_SCHEDULE": "never", "WORKERS": "1", **without_numba(tmp_path_factory.mktemp("light"))}


def test_a_reload_with_a_bad_configuration_changes_nothing_and_says_why(
    shared_databases: Urls, tree: Path, variables: dict[str, str]
) -> None:
    (tree / ".env").touch()
    with gunicorn_in(tree, shared_databases, variables) as server:
        for number, (name, bad, reason) in enumerate(BAD_FILES, 1):
            good = (tree / name).read_bytes()
            (tree / name).write_bytes(bad)
            with asked_all_the_time(server, _PATH) as answers:
                replaced_by_reload(server)
                # A worker that starts later reads the same files.
                victim = next(iter(server.workers().values()))
                victim.terminate()
                wait_until(partial(is_replaced, server, {victim.pid}))
                time.sleep(0.3)
            assert {answer.status for answer in answers} == {200}, bad
            assert server.process.poll() is None, bad
            failures = [line["message"] for line in server.logged() if "The reload failed" in line["message"]]
            assert len(failures) == number, bad
            assert reason in failures[-1], bad
            (tree / name).write_bytes(good)
            replaced_by_reload(server)
            assert server.get(_PATH).status == 200


def replaced_by_reload(server: GunicornServer) -> None:
    """Reload a server with one worker."""
    wait_until(lambda: len(server.workers()) == 1)
    before = set(server.workers())
    server.process.send_signal(signal.SIGHUP)
    wait_until(partial(is_replaced, server, before), 30)


def is_replaced(server: GunicornServer, before: set[int]) -> bool:
    workers = server.workers()
    return len(workers) == 1 and not before & workers.keys()


def test_a_reload_without_keys_is_refused_if_gunicorn_was_given_an_address_that_others_reach(
    shared_databases: Urls, tree: Path, variables: dict[str, str]
) -> None:
    (tree / ".env").write_text(f"API_KEYS={make_key('caller', [KeyScope.READ])[1].entry}\n")
    command = f"exec {sys.executable} -m gunicorn -c config/gunicorn.conf.py -b 0.0.0.0:$PORT wsgi:app"
    limited = {**variables, "RATE_LIMIT": "1000/second"}
    with gunicorn_in(tree, shared_databases, limited, command=["sh", "-c", command]) as server:
        (tree / ".env").unlink()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "The reload failed" in server.log.read_text(), 30)
        assert "bind: 0.0.0.0 can be reached from elsewhere" in server.log.read_text()
        assert server.get(_PATH).status == 401


def test_an_idle_connection_is_used_again_and_keeps_no_worker_from_stopping(shared_databases: Urls) -> None:
    with (
        running_gunicorn(shared_databases) as server,
        closing(HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection,
    ):
        connection.request("GET", _PATH)
        connection.getresponse().read()
        # Longer than Gunicorn's default.
        time.sleep(3)
        own_socket = connection.sock
        connection.request("GET", _PATH)
        assert connection.getresponse().read()
        assert connection.sock is own_socket
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert time.monotonic() - started < 10


def test_a_killed_worker_is_replaced_and_the_others_go_on(shared_databases: Urls) -> None:
    with running_gunicorn(shared_databases) as server:
        wait_until(lambda: len(server.workers()) == 2)
        victim = next(iter(server.workers().values()))
        victim.kill()
        with asked_all_the_time(server, _PATH) as answers:
            wait_until(lambda: len(server.workers()) == 2 and victim.pid not in server.workers())
            time.sleep(0.5)
        assert {answer.status for answer in answers} == {200}


def test_workers_are_recycled_after_max_requests(shared_databases: Urls) -> None:
    with running_gunicorn(shared_databases, MAX_REQUESTS="20") as server:
        wait_until(lambda: len(server.workers()) == 2)
        before = set(server.workers())
        with asked_all_the_time(server, _PATH) as answers:
            wait_until(lambda: not before & set(server.workers()), 30)
        assert {answer.status for answer in answers} == {200}


@pytest.fixture
def stream() -> bytes:
    """Return a request for a stream that is too long for the buffers of the kernel."""
    strangers = [f"00000000-0000-4000-8000-{number:012}" for number in range(400)]
    return json.dumps({"user_ids": strangers, "limit": 100}).encode()


@contextmanager
def opened_stream(server: GunicornServer, body: bytes) -> Iterator[HTTPResponse]:
    headers = {"Content-Type": "application/json", "Accept": "application/x-ndjson"}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("POST", _BATCH, body, headers)
        yield connection.getresponse()


def test_a_worker_is_recycled_after_its_streams(shared_databases: Urls, stream: bytes) -> None:
    with running_gunicorn(shared_databases, WORKERS="1", MAX_REQUESTS="50") as server:
        (before,) = server.workers()
        with opened_stream(server, stream) as response:
            lines = [response.readline()]
            answers = [server.get(_PATH) for _ in range(80)]
            assert {answer.status for answer in answers} == {200}, "the worker is due, and goes on"
            assert list(server.workers()) == [before]
            lines += response.readlines()
        assert len(lines) == 400
        assert "error" not in json.loads(lines[-1])
        wait_until(lambda: before not in server.workers() and len(server.workers()) == 1, 30)


def test_a_worker_that_is_due_takes_no_new_streams(shared_databases: Urls, stream: bytes) -> None:
    with running_gunicorn(shared_databases, WORKERS="2", MAX_REQUESTS="50") as server:
        before = set(server.workers())
        short = {"user_ids": [_STRANGER], "limit": 1}
        with opened_stream(server, stream) as response:
            lines = [response.readline()]
            # Until the other one has been replaced, at least once.
            wait_until(
                lambda: server.get(_PATH).status == 200 and len(before & set(server.workers())) == 1, 30
            )
            for _ in range(60):
                server.get(_PATH)
            time.sleep(1.0)
            answers = [server.ask(_BATCH, {"Accept": "application/x-ndjson"}, short) for _ in range(40)]
            assert {answer.status for answer in answers} == {200, 503}
            assert all("Retry-After" in answer.headers for answer in answers if answer.status == 503)
            lines += response.readlines()
        assert len(lines) == 400
        wait_until(lambda: not before & set(server.workers()), 30)


def test_a_stop_ends_streams_with_a_last_line_that_says_so(shared_databases: Urls, stream: bytes) -> None:
    with running_gunicorn(shared_databases, WORKERS="1") as server:
        with opened_stream(server, stream) as response:
            lines = [response.readline()]
            server.process.send_signal(signal.SIGTERM)
            # Read slowly, but above the minimum rate.
            time.sleep(7)
            lines += response.readlines()
        assert server.process.wait(20) == 0
    assert 1 < len(lines) < 400
    last = json.loads(lines[-1])
    assert last["code"] == "service_unavailable"
    assert "this server stops" in last["error"]


def test_eight_long_batches_do_not_delay_pages(shared_databases: Urls, path: str) -> None:
    users = Reference(shared_databases).users
    body = json.dumps({"user_ids": users, "limit": 100}).encode()
    headers = {"Content-Type": "application/json"}
    with running_gunicorn(shared_databases) as server, ExitStack() as open_connections:
        batches = []
        for _ in range(8):
            connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
            open_connections.callback(connection.close)
            connection.request("POST", _BATCH, body, headers)
            batches.append(connection)
        # Their answers are not read meanwhile, so that only the time of the service counts.
        answers = [server.get(path) for _ in range(20)]
        answered, _, _ = select([connection.sock for connection in batches], [], [], 0)
        assert len(answered) < 8, "some take longer than all pages"
        assert {connection.getresponse().status for connection in batches} <= {200, 503}
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.seconds for answer in answers)[len(answers) * 9 // 10] < 1.5


def test_requests_beyond_the_queue_are_refused_at_once_and_monitors_are_not(
    databases: Urls, path: str
) -> None:
    with running_gunicorn(databases, WORKERS="1", THREADS="1", MAX_WAITING="2") as server:
        server.get(path)
        with ThreadPoolExecutor(20) as threads:
            with engagement_locked(databases):
                requests = [threads.submit(server.get, path) for _ in range(15)]
                time.sleep(0.2)
                health = server.get("/health")
                answers = [request.result() for request in requests]
            assert (health.status, health.seconds < 1.0) == (200, True)
        refused = [answer for answer in answers if answer.status == 503]
        assert {answer.status for answer in answers} == {200, 503}
        assert len(refused) >= 10
        for answer in refused:
            assert answer.body["code"] == "overloaded"
            assert answer.headers["retry-after"] == "1"
        assert sorted(answer.seconds for answer in refused)[len(refused) // 2] < 1.0
        wait_until(lambda: server.get(path).body.get("degraded") == [])
