"""Gunicorn's threaded worker, with time limits against slow clients."""

import errno
import math
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gunicorn.errors import AppImportError
from gunicorn.util import close_graceful
from gunicorn.workers.gthread import _DEFER, STOP_KEEPALIVE_LINGER, ThreadWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# How long the head of a request may take to arrive, and its body.
_HEAD_S = 10.0
_BODY_S = 30.0
# A client must read an answer at this rate, with this much extra time.
_LEAST_BYTES_PER_S = 32 * 1024
_READER_S = 30.0
# The head is held in memory while it arrives. Browsers and proxies send a few kilobytes.
_LONGEST_HEAD_BYTES = 64 * 1024
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
# With fewer free threads than that, one wait for a client lasts at most this many seconds.
_SPARE_THREADS = 4
_SHORT_S = 2.0
# How often slow clients are searched for.
_LOOK_S = 0.5
# How much of an answer the kernel buffers, even if the client reads nothing.
_SEND_BUFFER_BYTES = 256 * 1024
# How long a client has to close the connection after its answer, before the worker closes it.
_CLOSING_S = 0.5
# How long to wait for the rest of a body that was rejected unread.
_DRAINING_S = 0.1
# No file or memory for a connection: it waits in the kernel meanwhile.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_ACCEPT_PAUSE_S = 0.5
# Before a worker that could not start ends and is replaced.
_START_PAUSE_S = 1.0
# Not 3 or 4, with which Gunicorn ends the service.
_START_FAILED = 1
_HEAD_END = b"\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """One request, with the time until which its thread may wait for the client."""

    def __init__(self, client_socket: socket.socket, head_ends_at: float) -> None:
        self._socket = client_socket
        self._waits_since = time.monotonic()
        self._waits_until: float | None = head_ends_at
        self._body_ends_at: float | None = None
        self._go_ahead: Callable[[], None] | None = None
        self._written_bytes = 0
        self._written_s = 0.0

    def stop_if_overdue(self, patience_s: float) -> bool:
        """Stop if the client has kept the thread too long: in all, or `patience_s` in a single wait."""
        ends_at, now = self._waits_until, time.monotonic()
        if ends_at is None or (now < ends_at and now - self._waits_since < patience_s):
            return False
        self.stop()
        return True

    def stop(self) -> None:
        """Shut the client's socket, which ends any wait for it."""
        self._waits_until = None
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def begin_work(self) -> None:
        """Note that the thread does not wait for the client."""
        self._waits_until = None

    def let_body_wait(self, request: Any) -> None:
        """Send 100 Continue only when the body of this request is read; `request` is Gunicorn's.

        If it is not, close the connection: the client may send either the body or its next request.
        """
        closes_anyway = request.must_close
        request.must_close = True

        def go_ahead() -> None:
            request.must_close, self._go_ahead = closes_anyway, None
            self._socket.sendall(_CONTINUE)

        self._go_ahead = go_ahead

    def read(self, source: Any, size: int) -> Any:
        """Read from the body, which must arrive in time as a whole."""
        if self._body_ends_at is None:
            self._body_ends_at = time.monotonic() + _BODY_S
        self._waits_since, self._waits_until = time.monotonic(), self._body_ends_at
        try:
            if self._go_ahead is not None:
                self._go_ahead()
            return source.read(size)
        finally:
            self._waits_until = None

    def sent_in_turn(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks that Gunicorn sends; between two of them it waits for the client to read."""
        try:
            for chunk in chunks:
                self._written_bytes += len(chunk)
                self.begin_sending()
                yield chunk
                self._waits_until = None
                self._written_s += time.monotonic() - self._waits_since
        finally:
            # Headers without a body, the end of a chunked body, or an error message.
            self.begin_sending()

    def begin_sending(self) -> None:
        """Note that the thread now waits for the client to read, until `begin_work`, if that follows."""
        allowed_s = _READER_S + self._written_bytes / _LEAST_BYTES_PER_S
        self._waits_since = time.monotonic()
        self._waits_until = self._waits_since + allowed_s - self._written_s


class RequestThreads(ThreadPoolExecutor):
    """A pool that goes on with the threads that it has if no more can be started."""

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            # The work is queued, and another thread takes it.
            if not self._threads:
                raise


class GuardedThreadWorker(ThreadWorker):  # type: ignore[misc]  # Gunicorn ships no types
    """Gives a request a thread only after its head has arrived, and limits all later waits for the client.

    Before it is replaced after max_requests, it lets streams end, and admits no new ones.
    """

    alive: bool
    booted: bool
    max_requests: int
    wsgi: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Gunicorn would stop at once and cut off streams.
        self._replaced_after, self.max_requests = self.max_requests, sys.maxsize
        self._overdue_at: float | None = None
        self._look_at = 0.0
        self._accepts_from = 0.0
        self._exchanges: set[Exchange] = set()
        self._of_thread = threading.local()

    def init_process(self) -> None:
        """Set the socket options that accepted connections inherit from the listening sockets, and serve.

        Gunicorn ends the service if a worker fails before it serves, for example for lack of threads. Here
        only this worker ends, and Gunicorn starts another one.
        """
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        try:
            super().init_process()
        except AppImportError:
            raise
        except Exception:
            if self.booted:
                raise
            self.log.exception("This worker could not start; another one is tried.")
            time.sleep(_START_PAUSE_S)
            sys.exit(_START_FAILED)

    def get_thread_pool(self) -> RequestThreads:
        """Return the threads for requests."""
        return RequestThreads(self.cfg.threads)

    def load_wsgi(self) -> None:
        """Wrap the app to note when it waits for the client."""
        super().load_wsgi()
        self.flask_app = self.wsgi
        self.wsgi = self._answer

    def accept(self, listener: Any) -> None:
        """Accept a connection; pause in a shortage of files or memory, which would end the worker."""
        try:
            super().accept(listener)
        except OSError as exc:
            if exc.errno not in _SHORTAGES:
                raise
            self.log.warning("No file can be opened for a new connection: new ones wait. %s", exc.strerror)
            self._accepts_from = time.monotonic() + _ACCEPT_PAUSE_S
            self.set_accept_enabled(enabled=False)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - Gunicorn's own
        """Accept connections or not; Gunicorn asks for it again and again."""
        super().set_accept_enabled(enabled and time.monotonic() >= self._accepts_from)

    def handle(self, conn: Any) -> Any:
        """Serve a request once its head has arrived; until then Gunicorn's event loop waits for it."""
        if not hasattr(conn, "head_ends_at"):
            conn.head_ends_at = time.monotonic() + _HEAD_S
        is_complete = self._has_head(conn)
        if is_complete is None:
            with suppress(OSError):
                # No time limit applies here; a client that does not read earlier answers misses this one.
                conn.sock.send(_TOO_LONG, socket.MSG_DONTWAIT)
            _close(conn)
            return False
        is_overdue = time.monotonic() >= conn.head_ends_at
        # A stopping worker has no event loop to hand the connection to.
        if not is_complete and not is_overdue and self.alive:
            return _DEFER
        if not is_complete and is_overdue:
            self.log.info("connection closed: the client did not send its request headers in %d s", _HEAD_S)
            _close(conn)
            return False
        # From here on, a thread reads what there is.
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
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

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Answer a request, and ask for its body only if that is read.

        Gunicorn would ask before the service has seen the head, and so for bodies that are refused.
        """
        if req._expected_100_continue:  # noqa: SLF001 - Gunicorn has no other way
            req._expected_100_continue = False  # noqa: SLF001 - the same
            self._of_thread.exchange.let_body_wait(req)
        return bool(super().handle_request(req, conn))

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Process the outcome of `handle`."""
        if not self.alive and not fs.cancelled() and fs.exception() is None and fs.result() is _DEFER:
            # Made just before the stop: a stopping worker has no event loop to wait for it, so a thread does.
            self.enqueue_req(conn)
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Do the periodic work, including Gunicorn's: it closes idle connections."""
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
                self.log.info("connection closed: the client was too slow to send or receive")
        self._be_replaced_when_due()
        if not self.alive:
            self.flask_app.extensions["limiters"].stream_end.stop()
        if not (self.alive or self._accepting):
            # Until all processes have closed it, the kernel accepts connections that no worker takes.
            for listener in self.sockets:
                listener.close()

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """Stop at once, without waiting for clients."""
        for exchange in tuple(self._exchanges):
            exchange.stop()
        super().handle_quit(sig, frame)

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        exchange: Exchange = self._of_thread.exchange
        exchange.begin_work()
        environ["wsgi.input"] = _TimedInput(environ["wsgi.input"], exchange)
        try:
            chunks = self.flask_app(environ, start_response)
        except BaseException:
            # Gunicorn sends an error message.
            exchange.begin_sending()
            raise
        return _TimedAnswer(chunks, exchange)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:  # noqa: FBT001 - Gunicorn's own
        """Return whether the connection can be used again; not if more of a rejected body is to come."""
        return bool(keepalive and conn.parser.finish_body(deadline=time.monotonic() + _DRAINING_S))

    def _has_head(self, conn: Any) -> bool | None:
        """Return whether a whole head, or the connection's end, has arrived; None if the head is too long."""
        # Bytes that arrived in one packet with the previous request.
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
            return True
        if len(read) + len(seen) >= _LONGEST_HEAD_BYTES:
            return None
        # The event loop reports the socket as readable once it holds more than that.
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(seen) + 1)
        return False

    def _be_replaced_when_due(self) -> None:
        """Stop after max_requests, once no stream is open or the open ones have used up their time."""
        if not self.alive or self.nr < self._replaced_after:
            return
        limiters = self.flask_app.extensions["limiters"]
        if self._overdue_at is None:
            self._overdue_at = time.monotonic() + limiters.stream_end.longest_s
            if self.cfg.workers > 1:
                # Another worker takes them. This one would never be without, and cut off fresh ones.
                limiters.streams.admit_no_more()
        if not limiters.streams.occupancy.open or time.monotonic() >= self._overdue_at:
            self.log.info("this worker has served %d requests and will be replaced", self.nr)
            self.alive = False


def _close(conn: Any) -> None:
    """Close a connection in this thread; Gunicorn would wait for the client in its event loop."""
    close_graceful(conn.sock, timeout=_CLOSING_S)
    conn.close = _do_nothing


def _do_nothing(*, graceful: bool = False) -> None:
    """Replace `close` of a connection that is closed already."""


class _TimedInput:
    """A request's body."""

    def __init__(self, source: Any, exchange: Exchange) -> None:
        self._source = source
        self._exchange = exchange

    def read(self, size: int = -1) -> Any:
        return self._exchange.read(self._source, size)


class _TimedAnswer:
    """The chunks of an answer; `close` closes the app's own iterable."""

    def __init__(self, chunks: Iterable[bytes], exchange: Exchange) -> None:
        self._chunks = chunks
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return self._exchange.sent_in_turn(self._chunks)

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
