"""Dozens of clients that send or read slowly do not delay others."""

import contextlib
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.setting_types import ROOT
from tests.support.gunicorn import GunicornServer, gunicorn_in, settings_alone
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

BATCH = "/api/recommendations/batch"
HEAD = f"POST {BATCH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
# How long the service waits for clients, in seconds: a third of the default, so that tests are shorter.
HEAD_S, BODY_S, READER_S = 3.0, 8.0, 10.0
CONFIGURATION = f"""
from pathlib import Path

import config.guarded_worker as worker

worker._HEAD_S, worker._BODY_S, worker._READER_S = {HEAD_S}, {BODY_S}, {READER_S}
worker._LEAST_BYTES_PER_S = 1_000_000
__file__ = "config/gunicorn.conf.py"
exec(compile(Path(__file__).read_text(), __file__, "exec"))
"""


def connected(server: GunicornServer, stack: contextlib.ExitStack, sent: bytes = b"") -> socket.socket:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
    connection.settimeout(60)
    connection.sendall(sent)
    return connection


def request(content: dict[str, Any], accept: str = "*/*") -> bytes:
    body = json.dumps(content).encode()
    return f"{HEAD}Accept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@contextlib.contextmanager
def one_worker(
    urls: Urls, folder: Path, configuration: str = CONFIGURATION, **variables: str
) -> Iterator[GunicornServer]:
    path = folder / "gunicorn.conf.py"
    path.write_text(configuration)
    command = [sys.executable, "-m", "gunicorn", "-c", str(path), "wsgi:app"]
    with gunicorn_in(ROOT, urls, settings_alone(WORKERS="1", **variables), command=command) as server:
        yield server


@pytest.fixture(scope="module")
def alone(shared_databases: Urls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """Start one worker."""
    with one_worker(shared_databases, tmp_path_factory.mktemp("gunicorn")) as server:
        yield server


@pytest.fixture(scope="module")
def path(shared_databases: Urls) -> str:
    return f"/api/recommendations/{Reference(shared_databases).users[0]}"


def test_slow_request_headers_hold_no_thread_and_time_out(alone: GunicornServer, path: str) -> None:
    with contextlib.ExitStack() as stack:
        slow = [connected(alone, stack) for _ in range(200)]
        dripping = threading.Event()

        def drip() -> None:
            for letter in "GET /health HTTP/1.1\r\nX-Slow: " + "x" * 1000:
                for connection in slow:
                    with contextlib.suppress(OSError):
                        connection.send(letter.encode())
                if dripping.wait(0.1):
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            time.sleep(1)
            answers = [alone.get(path) for _ in range(10)]
            assert {answer.status for answer in answers} == {200}
            assert max(answer.seconds for answer in answers) < 1.5
            assert alone.get("/health").seconds < 1.5
            # The limit is on the total time, even if single bytes keep arriving.
            assert eventually(lambda: all(map(is_closed, slow)), HEAD_S + 5)
        finally:
            dripping.set()
            thread.join()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
        + b"".join(b"X-%d: %8000d\r\n" % (n, n) for n in range(9)),
    ],
    ids=["behind a whole one", "long"],
)
def test_incomplete_headers_hold_no_thread(alone: GunicornServer, sent: bytes) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(120):
            connected(alone, stack, sent)
        time.sleep(0.5)
        assert max(alone.get("/health").seconds for _ in range(5)) < 1.5


def test_clients_that_read_nothing_are_closed_sooner_if_threads_run_short(alone: GunicornServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(120):
            connected(alone, stack, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
        time.sleep(1)
        assert alone.get("/health").seconds < READER_S - 2


def test_clients_that_read_no_answers_without_bodies_keep_no_threads(
    shared_databases: Urls, tmp_path: Path
) -> None:
    # Small buffers, which few answers fill, and 8 threads.
    small = CONFIGURATION.replace("worker._LEAST", "worker._SEND_BUFFER_BYTES = 4096\nworker._LEAST")
    few = {"THREADS": "1", "MAX_WAITING": "0", "MAX_STREAMS": "1"}
    with one_worker(shared_databases, tmp_path, small, **few) as server, contextlib.ExitStack() as stack:
        for _ in range(12):
            connection = stack.enter_context(socket.socket())
            # Before it connects, so that the kernel offers the server no more.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1_000)
        time.sleep(2)
        assert server.get("/health").seconds < READER_S - 2


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_headers_sent_in_pieces_are_answered(alone: GunicornServer) -> None:
    with contextlib.ExitStack() as stack:
        connection = connected(alone, stack)
        for piece in (b"GET /hea", b"lth HTTP/1.1\r\nHo", b"st: localhost\r\n", b"\r", b"\n"):
            connection.sendall(piece)
            time.sleep(0.2)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        # Then two at once on the same connection.
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        received = b""
        while received.count(b"HTTP/1.1 200") < 2:
            received += connection.recv(65536)


def test_a_connection_that_ends_within_headers_is_closed(alone: GunicornServer) -> None:
    with contextlib.ExitStack() as stack:
        connection = connected(alone, stack, b"GET /health HT")
        time.sleep(0.3)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(5)
        assert connection.recv(65536) == b""


def test_slow_bodies_are_bounded_and_time_out(alone: GunicornServer, path: str) -> None:
    with contextlib.ExitStack() as stack:
        slow = [
            connected(alone, stack, f'{HEAD}Content-Length: 5000\r\n\r\n{{"user_ids"'.encode())
            for _ in range(60)
        ]
        time.sleep(1)
        answers = [alone.get(path) for _ in range(10)]
        assert {answer.status for answer in answers} == {200}
        assert max(answer.seconds for answer in answers) < 1.5
        refused = sum(connection.recv(65536).startswith(b"HTTP/1.1 503") for connection in slow[-20:])
        assert refused == 20
        assert eventually(lambda: all(map(is_closed, slow[:5])), BODY_S + 5)


def test_slow_readers_of_streams_do_not_delay_pages_and_batches(
    alone: GunicornServer, path: str, shared_databases: Urls
) -> None:
    users = Reference(shared_databases).users
    # Unknown users get popular items: a stream of some megabytes.
    strangers = [f"00000000-0000-4000-8000-{number:012}" for number in range(5_000)]
    stream = request({"user_ids": [*users, *strangers], "limit": 100}, "application/x-ndjson")
    with contextlib.ExitStack() as stack:
        slow = [connected(alone, stack, stream) for _ in range(16)]
        assert eventually(lambda: alone.get("/ready").body["load"]["streams"]["saturated"], 20)
        time.sleep(1)
        answers = [alone.get(path) for _ in range(10)]
        assert {answer.status for answer in answers} == {200}
        assert max(answer.seconds for answer in answers) < 1.5
        batch = alone.post(BATCH, {"user_ids": users[:50], "limit": 10})
        assert batch.status == 200
        load = alone.get("/ready").body["load"]
        assert load["streams"]["open"] == load["streams"]["max_open"] == 8
        # An answer that is sent but unread does not count against the limit.
        assert eventually(lambda: alone.get("/ready").body["load"]["streams"]["working"] == 0, 20)
        started = [connection.recv(12, socket.MSG_PEEK) for connection in slow]
        assert sorted(started) == [b"HTTP/1.1 200"] * 8 + [b"HTTP/1.1 503"] * 8
    assert eventually(lambda: alone.get("/ready").body["load"]["streams"]["open"] == 0, 20)


def test_a_reader_below_the_minimum_rate_is_closed(alone: GunicornServer) -> None:
    strangers = [f"00000000-0000-4000-8000-{number:012}" for number in range(20_000)]
    stream = request({"user_ids": strangers, "limit": 100}, "application/x-ndjson")
    with contextlib.ExitStack() as stack:
        connection = connected(alone, stack)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(stream)
        assert eventually(lambda: alone.get("/ready").body["load"]["streams"]["open"] == 1, 20)
        started = time.monotonic()
        while alone.get("/ready").body["load"]["streams"]["open"]:
            assert time.monotonic() - started < 2 * READER_S
            connection.recv(1024)
            time.sleep(0.5)
        assert time.monotonic() - started > READER_S / 2


def test_a_stopping_worker_reads_a_small_body_that_has_arrived(
    shared_databases: Urls, tmp_path: Path
) -> None:
    users = Reference(shared_databases).users
    head, body = request({"user_ids": users[:1]}).split(b"\r\n\r\n")
    long_part = b"X-Long: " + b"x" * 1_000
    with one_worker(shared_databases, tmp_path) as server, contextlib.ExitStack() as stack:
        connection = connected(server, stack, head + b"\r\n" + long_part)
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        # The thread that a stopping worker uses for an incomplete head reads the body, too.
        for piece in (b"x", b"\r\n\r\n", body):
            connection.sendall(piece)
            time.sleep(0.2)
        connection.settimeout(BODY_S / 2)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
