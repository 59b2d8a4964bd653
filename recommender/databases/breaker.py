"""A circuit breaker: while a database is known to be out, no request waits to find out again."""

import logging
import threading
import time
from collections.abc import Callable

from recommender.background import Pause, RepeatingThread
from recommender.entities import DatabaseName

logger = logging.getLogger(__name__)

_UNTIL_NEXT_PROBE = Pause(0.5, 0.5)
# A suspicion ends it.
_UNTIL_SUSPECTED = Pause(0.0, 3_600.0)
# How long requests go on asking a database that is suspected and has not answered the probe.
_PATIENCE_S = 1.0


class Breaker:
    """Opens when a database is out for everyone, and closes when it is not.

    A failure is only a suspicion: it may be the request's own, such as a history that takes too long to read.
    A probe in the background then finds out whether the database answers at all, and opens the breaker where
    it does not. Safe between threads.
    """

    def __init__(
        self,
        name: DatabaseName,
        probe: Callable[[], bool],
        *,
        on_open: Callable[[], None],
        on_close: Callable[[], None],
    ) -> None:
        """A closed breaker; `probe` says whether the database answers, and must return within seconds."""
        self._name = name
        self._probe = probe
        self._on_open = on_open
        self._on_close = on_close
        self._is_open = False
        self._suspected_at: float | None = None
        self._lock = threading.Lock()
        self._thread = RepeatingThread(f"{name} probe", self._look, _UNTIL_NEXT_PROBE.least_s)

    @property
    def closed(self) -> bool:
        """Whether the database is asked."""
        suspected_at = self._suspected_at
        return not self._is_open and (suspected_at is None or time.monotonic() - suspected_at < _PATIENCE_S)

    def open(self) -> None:
        """Be ready to probe."""
        self._thread.open()

    def close(self) -> None:
        """Stop probing for good; a probe under way ends by itself."""
        self._thread.stop()

    def suspect(self) -> None:
        """Have a probe find out whether the database is out; does not wait for it."""
        with self._lock:
            if self._suspected_at is not None:
                return
            self._suspected_at = time.monotonic()
        self._thread.wake()

    def _look(self) -> Pause:
        """Probe, where there is a suspicion."""
        if self._suspected_at is None:
            return _UNTIL_SUSPECTED
        if not self._answers():
            if not self._is_open:
                self._is_open = True
                logger.warning(
                    "%s is out: answering without it, and probing it in the background", self._name
                )
                self._on_open()
            return _UNTIL_NEXT_PROBE
        was_open, self._is_open = self._is_open, False
        self._suspected_at = None
        if was_open:
            logger.info("%s answers again", self._name)
            self._on_close()
        return _UNTIL_SUSPECTED

    def _answers(self) -> bool:
        try:
            return self._probe()
        except Exception:
            logger.exception("%s: the probe failed", self._name)
            return False
