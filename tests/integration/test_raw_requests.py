"""A real Gunicorn answers malformed HTTP without a 500 or a hang, and continues to serve."""

import json
import re
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fuzz import METHODS, USER, assert_is_an_answer, bodies, raw_paths
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls
from tests.support.waiting import wait_until

_PATIENCE_S = 10.0
# Bytes that Gunicorn does not take for HTTP. It answers them itself, and not in JSON.
_GUNICORNS_OWN = {400, 403, 414, 417, 431, 501}
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n")
BATCH = "/api/recommendations/batch"


@pytest.fixture(scope="module")
def gunicorn(shared_databases: Urls) -> Iterator[GunicornServer]:
    with running_gunicorn(shared_databases, WORKERS="1") as gunicorn:
        yield gunicorn


@pytest.fixture(scope="module")
def port(gunicorn: GunicornServer) -> int:
    return gunicorn.port


def exchange(port: int, sent: bytes) -> bytes:
    """Return all bytes until the server closes the connection, as it must after our end of sending."""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as connection:
        received = b""
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # It need not read all of a rejected request.
        return received


def request(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close"]
    return b"\r\n".join([*lines, *(name + b": " + value for name, value in headers), b"", body])


def first_answer(received: bytes, *, head: bool = False) -> int:
    """Return the status of the first answer, of the service or of Gunicorn."""
    match = _STATUS.match(received)
    assert match is not None, received[:200]
    status = int(match[1])
    head_bytes, _, body = received[match.end() :].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head_bytes.decode("latin-1").split("\r\n") if ": " in line)
    if headers.get("Content-Type", "").startswith("text/html") and status in _GUNICORNS_OWN:
        return status
    length = int(headers.get("Content-Length", len(body)))
    assert_is_an_answer(status, headers, body[:length], head=head)
    return status


@pytest.mark.parametrize(
    "line",
    [
        b"GET /api/recommendations/x?token=hunter2 HTTP/1.1 more",
        b"GET /api/recommendations/x?token='hunter2\" HTTP/9.9",
        b"G?hunter2 / HTTP/1.1",
        b"GET / HTTP/1.1\r\nX-API-Key : hunter2",
        b"GET / HTTP/1.1\r\nX-API-Key: hunter2\x00",
        b"GET / HTTP/1.1\r\nExpect: hunter2",
    ],
)
def test_the_log_names_the_kind_of_a_malformed_request_and_quotes_nothing(
    gunicorn: GunicornServer, line: bytes
) -> None:
    before = len(gunicorn.log.read_text())
    assert first_answer(exchange(gunicorn.port, line + b"\r\nHost: localhost\r\n\r\n")) in _GUNICORNS_OWN
    wait_until(lambda: "Invalid request from ip=127.0.0.1: " in gunicorn.log.read_text()[before:])
    assert "hunter2" not in gunicorn.log.read_text()[before:]


_json = [(b"Content-Type", b"application/json")]
_right_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.encode)
_right_names = st.sampled_from([b"Accept", b"X-API-Key", b"Authorization", b"Range", b"Content-Encoding"])
_wrong_headers = st.one_of(
    st.tuples(_right_names, st.binary(max_size=40)),
    st.sampled_from(
        [
            (b"A b", b"x"),
            (b"X-Long", b"x" * 9000),
            (b"Expect", b"100-continue"),
            (b"Expect", b"miracles"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Transfer-Encoding", b"gzip, chunked"),
            (b"Content-Length", b"6"),
            (b"Content-Length", b"-1"),
            (b"Content-Length", b"+5"),
            (b"Content-Length", b"9" * 30),
        ]
    ),
)


@st.composite
def nearly_right(draw: st.DrawFn) -> bytes:
    """Generate a request that reaches the service, with headers for its body and others."""
    body = draw(bodies)
    method, path = draw(
        st.sampled_from([(b"POST", BATCH.encode())])
        | st.tuples(st.sampled_from([method.encode() for method in METHODS]), raw_paths)
    )
    others = draw(st.lists(st.tuples(_right_names, _right_values), max_size=3))
    return request(method, path, [*_json, (b"Content-Length", str(len(body)).encode()), *others], body)


@st.composite
def flawed(draw: st.DrawFn) -> bytes:
    """Generate such a request with a wrong or truncated header."""
    whole = draw(nearly_right())
    if draw(st.booleans()):
        return whole[: draw(st.integers(0, len(whole)))]
    line, _, rest = whole.partition(b"\r\n")
    name, value = draw(_wrong_headers)
    return line + b"\r\n" + name + b": " + value + b"\r\n" + rest


hundreds = settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@hundreds
@given(sent=nearly_right())
def test_http_requests_get_an_answer(port: int, sent: bytes) -> None:
    assert within_patience(port, sent) is not None


@hundreds
@given(sent=flawed() | st.binary(max_size=300))
def test_other_bytes_get_an_answer_or_a_closed_connection(port: int, sent: bytes) -> None:
    within_patience(port, sent)


def within_patience(port: int, sent: bytes) -> int | None:
    started = time.monotonic()
    received = exchange(port, sent)
    assert time.monotonic() - started < _PATIENCE_S
    if not received:
        return None
    final = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return first_answer(final, head=sent.startswith(b"HEAD ")) if final else None


def test_afterwards_it_serves_and_has_logged_no_fault(port: int, gunicorn: GunicornServer) -> None:
    assert (
        first_answer(exchange(port, request(b"GET", f"/api/recommendations/{USER}".encode(), [], b""))) == 200
    )
    printed = gunicorn.log.read_text(errors="replace")
    assert "Traceback" not in printed
    assert "a request failed" not in printed
    assert printed.count("Booting worker") == 1, "none died"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"X-Forwarded-Proto", b"https"), (b"X-Forwarded-Ssl", b"off")],
        [(b"X-Forwarded-Proto", b"https"), (b"X-Forwarded-Proto", b"http")],
        [(b"X-Forwarded-Protocol", b"ssl"), (b"X-Forwarded-Proto", b"http")],
    ],
)
def test_proxies_may_name_different_schemes(port: int, headers: list[tuple[bytes, bytes]]) -> None:
    assert first_answer(exchange(port, request(b"GET", b"/health", headers, b""))) == 200


def expecting(connection: socket.socket, target: str, content_type: str, length: int) -> bytes:
    """Send the head of a POST whose body waits for 100 Continue, and return what is answered to it."""
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
    connection.sendall(f"{head}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n".encode())
    return connection.recv(65536)


@pytest.mark.parametrize(
    ("target", "content_type", "length", "status"),
    [
        ("/nothing", "application/json", 7_000_000, 404),
        ("/health", "application/json", 7_000_000, 405),
        (BATCH, "text/plain", 7_000_000, 415),
        (BATCH, "application/json", 100_000_000, 413),
    ],
)
def test_a_client_that_waits_for_100_continue_sends_no_body_that_is_refused(
    port: int, target: str, content_type: str, length: int, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as connection:
        received = expecting(connection, target, content_type, length)
        while part := connection.recv(65536):
            received += part
    assert first_answer(received) == status
    # The client may send the body or the next request: the server could not tell.
    assert b"\r\nConnection: close\r\n" in received


def test_a_client_that_waits_for_100_continue_gets_it_when_its_body_is_read(port: int) -> None:
    body = json.dumps({"user_ids": [USER]}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as connection:
        for _ in range(2):
            assert (
                expecting(connection, BATCH, "application/json", len(body))
                == b"HTTP/1.1 100 Continue\r\n\r\n"
            )
            connection.sendall(body)
            received = b""
            while not received.endswith(b"}"):
                received += connection.recv(65536)
            assert first_answer(received) == 200
            assert b"\r\nConnection: keep-alive\r\n" in received


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (b"/health?x=" + b"x" * 3900, [], 200),
        (b"/health?x=" + b"x" * 8200, [], 414),
        (b"/health", [(b"X-Long", b"x" * 8000)], 200),
        (b"/health", [(b"X-Long", b"x" * 8200)], 431),
        (b"/health", [(b"X-Many", b"x")] * 60, 200),
        (b"/health", [(b"X-Many", b"x")] * 65, 431),
    ],
)
def test_request_lines_and_headers_are_bounded(
    port: int, target: bytes, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    assert first_answer(exchange(port, request(b"GET", target, headers, b""))) == status
