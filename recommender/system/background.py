"""Run work beside the requests, in threads of its own."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Generic, NamedTuple, Protocol, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Background(Protocol):
    """A part with threads."""

    def open(self) -> None:
        """Start the threads."""
        ...

    def close(self) -> None:
        """Stop the threads, and wait for their end."""
        ...


class Pause(NamedTuple):
    """The shortest and longest wait before the next run, in seconds; a wake-up ends it after the shortest."""

    least_s: float
    most_s: float


class RepeatingThread:
    """Run a function now and repeatedly; each run returns the pause before the next one.

    Exceptions of a run are logged, and the next run comes after `retry_s`. If no thread can be started,
    `revive_threads` tries again.
    """

    def __init__(self, name: str, run: Callable[[], Pause], retry_s: float) -> None:
        self.name = name
        self._run = run
        self._retry_s = retry_s
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def open(self) -> None:
        """Start."""
        _opened.add(self)
        self.revive()

    def stop(self) -> None:
        """Stop after the current run, without waiting for it."""
        _opened.discard(self)
        self._closing.set()
        self._wake.set()

    def close(self) -> None:
        """Stop after the current run, and wait for it; safe if the thread was never started."""
        self.stop()
        with self._starting:
            thread = self._thread
        if thread is not None and thread.is_alive():
            thread.join()

    def wake(self) -> None:
        """Start the next run as soon as its pause allows."""
        self._wake.set()

    def revive(self) -> bool:
        """Start the thread if it does not run; return whether it runs then."""
        with self._starting:
            if self._closing.is_set() or (self._thread is not None and self._thread.is_alive()):
                return True
            self._thread = start_thread(self.name, self._repeat)
            return self._thread is not None

    def _repeat(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            pause = self._run_once()
            if not self._closing.wait(pause.least_s):
                self._wake.wait(max(0.0, pause.most_s - pause.least_s))

    def _run_once(self) -> Pause:
        try:
            return self._run()
        except BaseException:
            # Catch all: only `close` may end the thread.
            logger.exception("an error in thread %r; it tries again later", self.name)
            return Pause(self._retry_s, self._retry_s)


# The threads of this process that should be running.
_opened: set[RepeatingThread] = set()


def revive_threads() -> tuple[str, ...]:
    """Restart every thread that has ended unexpectedly; return the names of those that cannot start."""
    return tuple(sorted(thread.name for thread in tuple(_opened) if not thread.revive()))


def start_thread(name: str, work: Callable[..., None], *arguments: object) -> threading.Thread | None:
    """Start a daemon thread; return None if no more threads can be started."""
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:
        logger.error("thread %r cannot be started: %s", name, exc)
        return None
    return thread


class Ahead(Generic[T]):
    """Work that begins now, in a thread of its own, in the context of the caller."""

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self._work = work
        self._future: Future[T] = Future()
        # Without a thread, the work is done when its result is asked for.
        self._is_begun = start_thread(name, copy_context().run, self._do) is not None

    def result(self) -> T:
        """Wait for the end of the work, and return its result, or raise its error. Call once."""
        if not self._is_begun:
            self._do()
        return self._future.result()

    def _do(self) -> None:
        try:
            self._future.set_result(self._work())
        except BaseException as exc:  # noqa: BLE001 - raised by `result`
            self._future.set_exception(exc)
