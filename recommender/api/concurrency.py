"""Bounds on what a process works on at a time, so that no kind of request can take all of it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple


class OverloadedError(Exception):
    """Too many requests of this kind are being worked on and waiting already."""


class Occupancy(NamedTuple):
    """How full a lane is."""

    working: int
    max_working: int
    open: int
    max_open: int


class Lane:
    """Bounds one kind of request: how many are open at a time, and how many of those are worked on.

    A request that is open and not worked on waits for a place, or its answer is being sent. Nothing is worked
    on while a socket is written to or read from.
    """

    def __init__(self, max_working: int, max_open: int, patience_s: float) -> None:
        """Have `max_open` requests, of which `max_working` are worked on; the others wait `patience_s`."""
        self._max_working = max_working
        self._max_open = max_open
        self._patience_s = patience_s
        self._places = threading.BoundedSemaphore(max_working)
        self._working = 0
        self._open = 0
        self._lock = threading.Lock()

    @property
    def occupancy(self) -> Occupancy:
        """How full it is now."""
        return Occupancy(self._working, self._max_working, self._open, self._max_open)

    def open(self) -> Callable[[], None]:
        """Let a request in; call what is returned when its answer has been sent, once or more.

        Raises:
            OverloadedError: as many are open as may be.
        """
        with self._lock:
            if self._open >= self._max_open:
                raise OverloadedError
            self._open += 1
        closed = False

        def close() -> None:
            nonlocal closed
            with self._lock:
                if not closed:
                    closed = True
                    self._open -= 1

        return close

    @contextmanager
    def working(self, patience_s: float | None = None) -> Iterator[None]:
        """Hold a place, for a request that is open.

        Raises:
            OverloadedError: none became free in time.
        """
        if not self._places.acquire(timeout=self._patience_s if patience_s is None else patience_s):
            raise OverloadedError
        with self._lock:
            self._working += 1
        try:
            yield
        finally:
            with self._lock:
                self._working -= 1
            self._places.release()

    @contextmanager
    def limit(self) -> Iterator[None]:
        """Let a request in and hold a place, for one whose answer is sent in no time.

        Raises:
            OverloadedError: as many are open as may be, or no place became free in time.
        """
        close = self.open()
        try:
            with self.working():
                yield
        finally:
            close()


class StreamEnd:
    """When streams have to end: after so long each, and soon once the process is to stop."""

    def __init__(self, longest_s: float, stopping_s: float) -> None:
        """Let a stream take `longest_s`, and all of them `stopping_s` from `stop` on."""
        self.longest_s = longest_s
        self._stopping_s = stopping_s
        self._stop_at: float | None = None

    def stop(self) -> None:
        """Have all streams end soon; may be called in a signal's handler."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self._stopping_s

    @property
    def is_stopping_now(self) -> bool:
        """Whether the process is to stop, and waits no longer."""
        return self._stop_at is not None and time.monotonic() >= self._stop_at


@dataclass(frozen=True, slots=True)
class Lanes:
    """A lane a kind of request.

    `pages`: all that is answered in a moment. `batches`, `streams`: lists of users, answered in JSON or line
    by line. `bodies`: requests whose bodies are being read.
    """

    pages: Lane
    batches: Lane
    streams: Lane
    bodies: Lane
    stream_end: StreamEnd
