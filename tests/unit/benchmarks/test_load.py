"""The load generator sends the given requests, and counts the answers."""

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.load import get_request, measure

_asked: Counter[str] = Counter()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _asked[self.path] += 1
        found = self.path != "/missing"
        body = b"x" * 300_000
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        # The server closes some connections after an answer, as it does with idle ones.
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = sum(_asked.values()) % 7 == 0

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    _asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_all_requests_are_asked_and_every_answer_is_counted(port: int) -> None:
    timing = measure(port, [get_request(f"/{number}") for number in range(5)], clients=3, seconds=0.3)
    assert set(_asked) == {f"/{number}" for number in range(5)}
    assert timing.requests == sum(_asked.values())
    assert 0 < timing.median_ms <= timing.p95_ms <= timing.p99_ms


def test_each_client_sends_at_least_one_request(port: int) -> None:
    assert measure(port, [get_request("/a")], clients=3, seconds=0.0).requests == 3


def test_anything_but_a_200_is_an_error(port: int) -> None:
    with pytest.raises(RuntimeError, match="404"):
        measure(port, [get_request("/missing")], clients=1, seconds=0.1)
