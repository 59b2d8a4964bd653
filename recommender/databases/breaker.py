"""A circuit breaker: while a database is known to be down, no request waits for it."""

import logging
import threading
import time
from collections.abc import Callable

from recommender.entities import DatabaseName
from recommender.system.background import Pause, RepeatingThread

logger = logging.getLogger(__name__)

_UNTIL_NEXT_PROBE = Pause(0.5, 0.5)
# A suspicion ends it.
_UNTIL_SUSPECTED = Pause(0.0, 3_600.0)


class Breaker:
    """Open when a database is down for all requests, and close when it answers again.

    One failure is only a suspicion, because it may concern a single request, such as one with a long history.
    A background probe then checks whether the database answers at all, and opens the breaker if it does not.
    Thread-safe.
    """

    def __init__(
        self,
        name: DatabaseName,
        probe: Callable[[], bool],
        *,
        patience_s: Callable[[], float],
        answered_at: Callable[[], float],
        on_close: Callable[[], None],
    ) -> None:
        """Start closed.

        Args:
            name: of the database.
            probe: returns whether the database answers; must return within seconds.
            patience_s: returns how long requests still query a suspected database while neither its probe
                nor a statement has an answer. Asked anew each time: a probe may learn that it needs longer.
            answered_at: returns when a statement succeeded last, by the monotonic clock.
            on_close: called when the database answers again.
        """
        self._name = name
        self._probe = probe
        self._patience_s = patience_s
        self._answered_at = answered_at
        self._on_close = on_close
        self._is_open = False
        self._suspected_at: float | None = None
        self._lock = threading.Lock()
        self._thread = RepeatingThread(f"{name} probe", self._look, _UNTIL_NEXT_PROBE.least_s)

    @property
    def closed(self) -> bool:
        """Return whether requests may query the database."""
        suspected_at = self._suspected_at
        if self._is_open or suspected_at is None:
            return not self._is_open
        return time.monotonic() - max(suspected_at, self._answered_at()) < self._patience_s()

    def start(self) -> None:
        """Start the probing thread."""
        self._thread.open()

    def stop(self) -> None:
        """Stop probing permanently; a running probe ends by itself."""
        self._thread.stop()

    def suspect(self) -> None:
        """Ask for a probe of the database, without waiting for it."""
        with self._lock:
            if self._suspected_at is not None:
                return
            self._suspected_at = time.monotonic()
        self._thread.wake()

    def _look(self) -> Pause:
        """Probe if there is a suspicion."""
        if self._suspected_at is None:
            return _UNTIL_SUSPECTED
        if not self._answers():
            if not self._is_open:
                self._is_open = True
                logger.warning(
                    "%s does not answer: requests are answered without it, and it is probed in the "
                    "background",
                    self._name,
                )
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
