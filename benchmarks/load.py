"""A small load generator: keep-alive sockets in one thread, with little work between answers."""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

_BLOCK = 1 << 18
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Latencies in milliseconds, and the rate of all clients together.

    `client_cpu_ms`: CPU time that the load generator itself took for a request.
    """

    median_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float
    requests: int
    client_cpu_ms: float


def get_request(path: str) -> bytes:
    """Return the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post_request(path: str, body: bytes, accept: str = "application/json") -> bytes:
    """Return the bytes of a POST of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """A blocking client with one keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> bytes:
        """Return the answer's body, chunks with their framing.

        Raises:
            RuntimeError: the status is not 200.
            ConnectionError: the server closed the connection twice.
        """
        for attempt in (1, 2):
            try:
                return self._ask(request)
            except ConnectionError:
                # The server closes idle connections.
                self._socket = None
                if attempt == 2:  # noqa: PLR2004 - the second and last
                    raise
        raise AssertionError

    def _ask(self, request: bytes) -> bytes:
        if self._socket is None:
            self._socket = _connect(self._port)
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.partition(b"\r\n")[0].decode() + " " + body[:200].decode())
        if b"chunked" in head.lower():
            chunks = bytearray(body)
            # Of all that arrived: the last chunk may come in several pieces.
            while not chunks.endswith(b"\r\n0\r\n\r\n"):
                chunks += self._receive()
            return bytes(chunks)
        length = _content_length(head)
        parts, missing = [body], length - len(body)
        while missing > 0:
            parts.append(self._receive())
            missing -= len(parts[-1])
        return b"".join(parts)

    def _receive(self) -> bytes:
        assert self._socket is not None  # noqa: S101 - for the type checker
        data = self._socket.recv(_BLOCK)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data


class _Connection:
    """A non-blocking connection of `measure`, with the request that is in flight."""

    def __init__(self, port: int, number: int) -> None:
        self.number = number
        self.answers = 0
        self.sent_at = 0.0
        self._port = port
        self._request = b""
        self._received = bytearray()
        self._length: int | None = None
        self.socket = _connect(port)

    def send(self, request: bytes) -> None:
        """Send a request; it is so small that the kernel takes it whole."""
        self._request, self._length = request, None
        self._received.clear()
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what is there; return whether the answer is complete.

        Raises:
            RuntimeError: it is not a 200.
            ConnectionError: the server closed the connection in the middle of an answer.
        """
        data = self.socket.recv(_BLOCK)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._received += data
        if self._length is None:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = bytes(self._received[:end])
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.partition(b"\r\n")[0].decode())
            self._length = end + 4 + _content_length(head)
        return len(self._received) >= self._length

    def reconnect(self) -> None:
        """Connect again, and repeat the request, if the server closed the idle connection.

        Raises:
            ConnectionError: the server closed it in the middle of an answer.
        """
        if self._received:
            raise ConnectionError("the server closed the connection")
        self.socket.close()
        self.socket = _connect(self._port)
        self.socket.sendall(self._request)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


def measure(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Timing:
    """Send the requests in turn from several clients for a time, each request at least once.

    One thread serves all clients: threads would wait for each other and add that to the latencies.
    """
    connections = [_Connection(port, number) for number in range(clients)]
    try:
        with select.epoll() as poller:
            return _measure(connections, requests, seconds, poller)
    finally:
        for each in connections:
            each.socket.close()


def _measure(
    connections: Sequence[_Connection], requests: Sequence[bytes], seconds: float, poller: select.epoll
) -> Timing:
    latencies: list[float] = []
    waiting = {each.socket.fileno(): each for each in connections}
    cpu_before, started = time.process_time(), time.perf_counter()
    for fd, each in waiting.items():
        poller.register(fd, select.EPOLLIN)
        each.send(requests[each.number % len(requests)])
    while waiting:
        for fd, _ in poller.poll(_TIMEOUT_S) or _time_out():
            each = waiting[fd]
            if not _is_answered(each, poller, waiting):
                continue
            now = time.perf_counter()
            latencies.append(now - each.sent_at)
            each.answers += 1
            if now - started < seconds:
                each.send(requests[(each.number + each.answers * len(connections)) % len(requests)])
            else:
                del waiting[fd]
                poller.unregister(fd)
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu_before
    every = np.array(latencies) * 1_000
    median, p95, p99 = np.percentile(every, (50, 95, 99))
    return Timing(
        float(median), float(p95), float(p99), len(every) / elapsed, len(every), 1_000 * cpu / len(every)
    )


def _is_answered(connection: _Connection, poller: select.epoll, waiting: dict[int, _Connection]) -> bool:
    """Read from a connection that has something; return whether its answer is complete."""
    fd = connection.socket.fileno()
    try:
        return connection.receive()
    except ConnectionError:
        poller.unregister(fd)
        del waiting[fd]
        connection.reconnect()
        waiting[connection.socket.fileno()] = connection
        poller.register(connection.socket.fileno(), select.EPOLLIN)
        return False


def _time_out() -> NoReturn:
    raise TimeoutError(f"no answer within {_TIMEOUT_S:.0f} s")
