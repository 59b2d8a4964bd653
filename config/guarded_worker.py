"""Gunicorn's threaded worker, guarded against clients that are slow, on purpose or by their network."""

import math
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gunicorn.util import close_graceful
from gunicorn.workers.gthread import _DEFER, STOP_KEEPALIVE_LINGER, ThreadWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# How long a request's head may take to arrive, and how long its body.
_HEAD_S = 10.0
_BODY_S = 30.0
# A client must read an answer at this rate, and has so much time on top.
_LEAST_BYTES_PER_S = 32 * 1024
_READER_S = 30.0
# A head is looked at while it arrives. Browsers and proxies send a few kilobytes.
_LONGEST_HEAD_BYTES = 64 * 1024
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
# With fewer threads than that left, no client is waited for longer than so many seconds in one go.
_SPARE_THREADS = 4
_SHORT_S = 2.0
# How often slow clients are looked for.
_LOOK_S = 0.5
# How much of an answer the kernel takes at once, whatever the rate of the reader.
_SEND_BUFFER_BYTES = 256 * 1024
# How long a client has to hang up after its answer, before it is hung up on.
_CLOSING_S = 0.5
# How long what is left of a body is waited for that was refused unread.
_DRAINING_S = 0.1
_HEAD_END = b"\r\n\r\n"


class Exchange:
    """One request, and until when the thread that serves it may wait for its client."""

    def __init__(self, client_socket: socket.socket, head_ends_at: float) -> None:
        self._socket = client_socket
        self._waits_since = time.monotonic()
        self._waits_until: float | None = head_ends_at
        self._body_ends_at: float | None = None
        self._written_bytes = 0
        self._written_s = 0.0

    def stop_if_overdue(self, patience_s: float) -> bool:
        """Stop where the client has kept the thread too long, or in one go for `patience_s`."""
        ends_at, now = self._waits_until, time.monotonic()
        if ends_at is None or (now < ends_at and now - self._waits_since < patience_s):
            return False
        self.stop()
        return True

    def stop(self) -> None:
        """Shut the client's socket; that ends a wait for it."""
        self._waits_until = None
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def begin_work(self) -> None:
        """Note that nothing is waited for."""
        self._waits_until = None

    def read(self, source: Any, size: int) -> Any:
        """Read of the body, which must arrive in time as a whole."""
        if self._body_ends_at is None:
            self._body_ends_at = time.monotonic() + _BODY_S
        self._waits_since, self._waits_until = time.monotonic(), self._body_ends_at
        try:
            return source.read(size)
        finally:
            self._waits_until = None

    def sent_in_turn(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on what Gunicorn sends; between one chunk and the next it waits for the reader."""
        for chunk in chunks:
            self._written_bytes += len(chunk)
            started = time.monotonic()
            allowed_s = _READER_S + self._written_bytes / _LEAST_BYTES_PER_S
            self._waits_since, self._waits_until = started, started + allowed_s - self._written_s
            yield chunk
            self._waits_until = None
            self._written_s += time.monotonic() - started


class GuardedThreadWorker(ThreadWorker):  # type: ignore[misc]  # Gunicorn ships no types
    """Holds no thread for a head that has not arrived, and none for long for anything that has not.

    Where it is to be replaced after so many requests, it lets streams end first.
    """

    alive: bool
    max_requests: int
    wsgi: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Gunicorn would stop at once, and cut streams off.
        self._replaced_after, self.max_requests = self.max_requests, sys.maxsize
        self._overdue_at: float | None = None
        self._look_at = 0.0
        self._exchanges: set[Exchange] = set()
        self._of_thread = threading.local()

    def init_process(self) -> None:
        """Set what connections take over from the sockets that accept them."""
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        super().init_process()

    def load_wsgi(self) -> None:
        """Wrap the app to see when it waits for the client."""
        super().load_wsgi()
        self.flask_app = self.wsgi
        self.wsgi = self._answer

    def handle(self, conn: Any) -> Any:
        """Serve a request once its head is there; until then Gunicorn's event loop watches the connection."""
        if not hasattr(conn, "head_ends_at"):
            conn.head_ends_at = time.monotonic() + _HEAD_S
        is_complete = self._has_head(conn)
        if is_complete is None:
            conn.sock.sendall(_TOO_LONG)
            _close(conn)
            return False
        is_overdue = time.monotonic() >= conn.head_ends_at
        # One that stops has no event loop to leave a connection to.
        if not is_complete and not is_overdue and self.alive:
            return _DEFER
        if not is_complete and is_overdue:
            self.log.info("a client did not send the head of its request in %d s: connection closed", _HEAD_S)
            _close(conn)
            return False
        exchange = self._of_thread.exchange = Exchange(conn.sock, conn.head_ends_at)
        self._exchanges.add(exchange)
        try:
            is_kept = super().handle(conn)
        finally:
            self._exchanges.discard(exchange)
        if is_kept is _DEFER and not self.alive:
            is_kept = False
        if is_kept is True:
            del conn.head_ends_at
        elif is_kept is False:
            _close(conn)
        return is_kept

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Take note of what `handle` came to."""
        if not self.alive and not fs.cancelled() and fs.exception() is None and fs.result() is _DEFER:
            # A connection made just before: its request is answered.
            self.enqueue_req(conn)
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Do what is to be done now and then, of which Gunicorn's part is to close idle connections."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_S
        for conn in self.pending_conns:
            latest = conn.head_ends_at if self.alive else time.monotonic() + STOP_KEEPALIVE_LINGER
            conn.timeout = min(conn.timeout, latest)
        super().murder_pending()
        is_short = len(self._exchanges) > self.cfg.threads - _SPARE_THREADS
        for exchange in tuple(self._exchanges):
            if exchange.stop_if_overdue(_SHORT_S if is_short else math.inf):
                self.log.info("a client kept a thread waiting for too long: connection closed")
        self._be_replaced_when_due()
        if not self.alive:
            self.flask_app.extensions["lanes"].stream_end.stop()
        if not (self.alive or self._accepting):
            # Until the last process has, the system accepts connections that no worker will.
            for listener in self.sockets:
                listener.close()

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """Stop at once, whatever is waited for."""
        for exchange in tuple(self._exchanges):
            exchange.stop()
        super().handle_quit(sig, frame)

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        exchange: Exchange = self._of_thread.exchange
        exchange.begin_work()
        environ["wsgi.input"] = _TimedInput(environ["wsgi.input"], exchange)
        return _TimedAnswer(self.flask_app(environ, start_response), exchange)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:  # noqa: FBT001 - Gunicorn's own
        """Whether the connection can be used again; not where more of a refused body is to come."""
        return bool(keepalive and conn.parser.finish_body(deadline=time.monotonic() + _DRAINING_S))

    def _has_head(self, conn: Any) -> bool | None:
        """Whether a whole head, or the end of the connection, has arrived; None where it is too long."""
        # What came in one packet with the request before.
        read = b"" if conn.parser is None else conn.parser.unreader.buf.getvalue()
        if _HEAD_END in read:
            return True
        try:
            seen = conn.sock.recv(_LONGEST_HEAD_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        is_longer = len(seen) > getattr(conn, "seen_bytes", 0)
        conn.seen_bytes = len(seen)
        if not is_longer or _HEAD_END in read + seen:
            conn.seen_bytes = 0
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            return True
        if len(read) + len(seen) >= _LONGEST_HEAD_BYTES:
            return None
        # Readable, to the event loop, once there is more than that.
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(seen) + 1)
        return False

    def _be_replaced_when_due(self) -> None:
        """Stop after so many requests, once no stream is open or those that were have had their time."""
        if not self.alive or self.nr < self._replaced_after:
            return
        lanes = self.flask_app.extensions["lanes"]
        if self._overdue_at is None:
            self._overdue_at = time.monotonic() + lanes.stream_end.longest_s
        if not lanes.streams.occupancy.open or time.monotonic() >= self._overdue_at:
            self.log.info("the worker has served %d requests and is replaced", self.nr)
            self.alive = False


def _close(conn: Any) -> None:
    """Close a connection in this thread: Gunicorn would wait for the client in its event loop."""
    close_graceful(conn.sock, timeout=_CLOSING_S)
    conn.close = _do_nothing


def _do_nothing(*, graceful: bool = False) -> None:
    """Stand in for closing what is closed."""


class _TimedInput:
    """A request's body."""

    def __init__(self, source: Any, exchange: Exchange) -> None:
        self._source = source
        self._exchange = exchange

    def read(self, size: int = -1) -> Any:
        return self._exchange.read(self._source, size)


class _TimedAnswer:
    """An answer's chunks, closed like the app's own."""

    def __init__(self, chunks: Iterable[bytes], exchange: Exchange) -> None:
        self._chunks = chunks
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return self._exchange.sent_in_turn(self._chunks)

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
