"""A gate before the work: so many requests at a time, so many more waiting, the others refused at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class OverloadedError(Exception):
    """Too many requests are being worked on and waiting already."""


class Gate:
    """Admits `working` requests at a time and lets `waiting` more wait `patience_s` for their turn."""

    def __init__(self, working: int, waiting: int, patience_s: float) -> None:
        self._places = threading.BoundedSemaphore(working)
        self._max_waiting = waiting
        self._patience_s = patience_s
        self._waiting = 0
        self._lock = threading.Lock()

    def held(self, results: Iterator[T]) -> Iterator[T]:
        """The results, with a place held from the first of them until the last, or until they are closed.

        Raises:
            OverloadedError: there is no place, and none became free in time.
        """
        with self.place():
            yield from results

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            OverloadedError: there is none, and none became free in time.
        """
        if not self._places.acquire(blocking=False):
            self._wait()
        try:
            yield
        finally:
            self._places.release()

    def _wait(self) -> None:
        with self._lock:
            if self._waiting >= self._max_waiting:
                raise OverloadedError
            self._waiting += 1
        try:
            if not self._places.acquire(timeout=self._patience_s):
                raise OverloadedError
        finally:
            with self._lock:
                self._waiting -= 1
