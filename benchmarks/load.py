"""A small load generator: kept-alive sockets in threads, and as little work between answers as can be."""

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Timing:
    """Latencies in milliseconds, and the rate of all clients together."""

    median_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float
    requests: int


def get_request(path: str) -> bytes:
    """A GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post_request(path: str, body: bytes, accept: str = "application/json") -> bytes:
    """A POST of JSON as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> bytes:
        """The answer's body; anything but a 200 raises."""
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
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=600)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.partition(b"\r\n")[0].decode() + " " + body[:200].decode())
        if b"chunked" in head.lower():
            parts = [body]
            while not parts[-1].endswith(b"0\r\n\r\n"):
                parts.append(self._receive())
            return b"".join(parts)
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        parts, missing = [body], length - len(body)
        while missing > 0:
            parts.append(self._receive())
            missing -= len(parts[-1])
        return b"".join(parts)

    def _receive(self) -> bytes:
        assert self._socket is not None  # noqa: S101 - for the type checker
        data = self._socket.recv(_BLOCK)
        if not data:
            raise ConnectionError
        return data


def measure(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Timing:
    """Ask the requests in turn, from so many clients at once, each at least once, for so long."""
    latencies: list[list[float]] = [[] for _ in range(clients)]
    started = time.perf_counter()

    def run(number: int) -> None:
        client, position = Client(port), number
        while not latencies[number] or time.perf_counter() - started < seconds:
            before = time.perf_counter()
            client.ask(requests[position % len(requests)])
            latencies[number].append(time.perf_counter() - before)
            position += clients

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    every = np.concatenate([np.array(own) for own in latencies]) * 1000
    median, p95, p99 = np.percentile(every, (50, 95, 99))
    return Timing(float(median), float(p95), float(p99), len(every) / elapsed, len(every))
