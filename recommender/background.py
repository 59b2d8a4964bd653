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
    """How long to wait before the next run: so long at least, and so long at most if nobody is in a hurry."""

    least_s: float
    most_s: float


class RepeatingThread:
    """Runs something at once, and then again and again; each run says when the next one is due.

    It outlives whatever a run raises: that is logged, and the next run comes after `retry_s`.
    """

    def __init__(self, name: str, run: Callable[[], Pause], retry_s: float) -> None:
        self._run = run
        self._retry_s = retry_s
        self._hurry = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def open(self) -> None:
        """Start."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the run under way, and wait for that; safe where it was never started."""
        self._closing.set()
        self._hurry.set()
        if self._thread.is_alive():
            self._thread.join()

    def hurry(self) -> None:
        """Have the next run as soon as its pause allows."""
        self._hurry.set()

    def _repeat(self) -> None:
        while not self._closing.is_set():
            self._hurry.clear()
            pause = self._run_once()
            if not self._closing.wait(pause.least_s):
                self._hurry.wait(max(0.0, pause.most_s - pause.least_s))

    def _run_once(self) -> Pause:
        try:
            return self._run()
        except Exception:
            logger.exception("the thread %r could not do its work", self._thread.name)
            return Pause(self._retry_s, self._retry_s)
