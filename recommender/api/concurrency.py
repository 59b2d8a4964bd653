"""Limits how many requests of each kind a process works on, so that no kind takes all capacity."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

# How often a request that waits for a permit looks whether it is to give up.
_LOOK_S = 0.5


class OverloadedError(Exception):
    """Too many requests of this kind are admitted already, or too many are worked on."""


class Occupancy(NamedTuple):
    """Requests of one kind: how many are worked on, how many are open, and the limits of both."""

    working: int
    max_working: int
    open: int
    max_open: int


class ConcurrencyLimiter:
    """Limits requests of one kind: how many are open, and how many of those are worked on.

    A request is open from its admission until its answer is sent. It is worked on while it has a permit. No
    permit is held while a socket is read or written.
    """

    def __init__(self, max_working: int, max_open: int, patience_s: float) -> None:
        """Allow `max_open` requests, `max_working` of them at work; the others wait up to `patience_s`."""
        self._max_working = max_working
        self._max_open = max_open
        self._patience_s = patience_s
        self._permits = threading.BoundedSemaphore(max_working)
        self._working = 0
        self._open = 0
        self._admits = True
        self._lock = threading.Lock()

    @property
    def occupancy(self) -> Occupancy:
        """Return the present counts."""
        return Occupancy(self._working, self._max_working, self._open, self._max_open)

    def admit_no_more(self) -> None:
        """Refuse all further requests; the open ones go on."""
        with self._lock:
            self._admits = False

    def admit(self) -> Callable[[], None]:
        """Admit a request. Return a function to call, at least once, when its answer has been sent.

        Raises:
            OverloadedError: `max_open` requests are open, or no more are admitted.
        """
        with self._lock:
            if self._open >= self._max_open or not self._admits:
                raise OverloadedError
            self._open += 1
        is_over = False

        def release() -> None:
            nonlocal is_over
            with self._lock:
                if not is_over:
                    is_over = True
                    self._open -= 1

        return release

    @contextmanager
    def permit(
        self, patience_s: float | None = None, gives_up: Callable[[], bool] | None = None
    ) -> Iterator[None]:
        """Hold a permit to work on an admitted request.

        Args:
            patience_s: how long to wait; by default as long as this kind of request does.
            gives_up: whether the request is to end; asked while it waits, and when it has the permit.

        Raises:
            OverloadedError: no permit became free within `patience_s`, or the request gives up.
        """
        if not self._acquire(self._patience_s if patience_s is None else patience_s, gives_up):
            raise OverloadedError
        with self._lock:
            self._working += 1
        try:
            yield
        finally:
            with self._lock:
                self._working -= 1
            self._permits.release()

    def _acquire(self, patience_s: float, gives_up: Callable[[], bool] | None) -> bool:
        """Wait for a permit, and return whether it was got."""
        if gives_up is None:
            return self._permits.acquire(timeout=patience_s)
        ends_at = time.monotonic() + patience_s
        while not self._permits.acquire(timeout=min(_LOOK_S, max(0.0, ends_at - time.monotonic()))):
            if time.monotonic() >= ends_at or gives_up():
                return False
        if gives_up():
            self._permits.release()
            return False
        return True

    @contextmanager
    def limit(self) -> Iterator[None]:
        """Admit a request and hold a permit, for an answer that is short to send.

        Raises:
            OverloadedError: `max_open` requests are open, or no permit became free in time.
        """
        release = self.admit()
        try:
            with self.permit():
                yield
        finally:
            release()


class StreamEnd:
    """Deadlines of streams: each has a longest duration, and all end soon after `stop`."""

    def __init__(self, longest_s: float, stopping_s: float) -> None:
        """Allow `longest_s` for each stream, and `stopping_s` for all after `stop`."""
        self.longest_s = longest_s
        self._stopping_s = stopping_s
        self._stop_at: float | None = None

    def stop(self) -> None:
        """End all streams within `stopping_s`. Safe in a signal handler."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self._stopping_s

    @property
    def is_stopping_now(self) -> bool:
        """Return whether `stop` was called and `stopping_s` are over."""
        return self._stop_at is not None and time.monotonic() >= self._stop_at


@dataclass(frozen=True, slots=True)
class ConcurrencyLimits:
    """One limiter for each kind of request.

    `pages`: short answers. `batches`, `streams`: lists of users, answered in JSON or line by line.
    `bodies`: requests whose bodies are being read.
    """

    pages: ConcurrencyLimiter
    batches: ConcurrencyLimiter
    streams: ConcurrencyLimiter
    bodies: ConcurrencyLimiter
    stream_end: StreamEnd
