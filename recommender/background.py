"""Work that goes on beside the requests, in threads of its own."""

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

logger = logging.getLogger(__name__)


class Background(Protocol):
    """A part with threads."""

    def open(self) -> None:
        """Start them."""
        ...

    def close(self) -> None:
        """Stop them, and wait until they have."""
        ...


class Pause(NamedTuple):
    """How long to wait before the next run: so long at least, and so long at most unless it is woken."""

    least_s: float
    most_s: float


class RepeatingThread:
    """Runs something at once, and then again and again; each run says when the next one is due.

    It outlives whatever a run raises: that is logged, and the next run comes after `retry_s`. Where no thread
    can be started, `revive_threads` tries again.
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
        """Stop after the run under way, without waiting for that."""
        _opened.discard(self)
        self._closing.set()
        self._wake.set()

    def close(self) -> None:
        """Stop after the run under way, and wait for that; safe where it was never started."""
        self.stop()
        with self._starting:
            thread = self._thread
        if thread is not None and thread.is_alive():
            thread.join()

    def wake(self) -> None:
        """Have the next run as soon as its pause allows."""
        self._wake.set()

    def revive(self) -> bool:
        """Start it where it does not run; whether it runs then."""
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
            # Whatever it is: nothing but `close` may end the thread.
            logger.exception("the thread %r could not do its work", self.name)
            return Pause(self._retry_s, self._retry_s)


# Those of this process that are to run.
_opened: set[RepeatingThread] = set()


def revive_threads() -> tuple[str, ...]:
    """Start every thread again that has ended unasked; the names of those that cannot be."""
    return tuple(sorted(thread.name for thread in tuple(_opened) if not thread.revive()))


def start_thread(name: str, work: Callable[..., None], *arguments: object) -> threading.Thread | None:
    """Start a thread that the end of the process may cut off; None where there can be no more threads."""
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:
        logger.error("no thread can be started for %r: %s", name, exc)
        return None
    return thread
