"""A circuit breaker: while a database is known to be out, nobody waits to find out again."""

import logging
import math
import threading
import time
from collections.abc import Callable
from enum import StrEnum

from recommender.domain import DatabaseName

logger = logging.getLogger(__name__)

# One failure may be one connection's; two in a row, with no success between them, are the database's.
_FAILURES_TO_OPEN = 2
_PROBE_INTERVAL_S = 0.5
# So long half open, and it seems that nobody sends requests here while the database is out.
_NO_REQUESTS_S = 2.0


class BreakerState(StrEnum):
    """`closed`: asked as usual. `open`: not asked. `half_open`: one request asks, for all."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens after two failures in a row, probes in the background, lets one request try, and closes again.

    The probe only shows that the database answers at all; that statements come back in time is for the one
    request to show. Safe between threads.
    """

    def __init__(self, name: DatabaseName, probe: Callable[[], bool], on_open: Callable[[], None]) -> None:
        """A closed breaker; `probe` says whether the database answers, `on_open` is called when it opens."""
        self._name = name
        self._probe = probe
        self._on_open = on_open
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._trial_under_way = False
        self._half_open_since = -math.inf
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @property
    def closed(self) -> bool:
        """Whether the database is asked as usual."""
        return self._state is BreakerState.CLOSED

    def admit(self) -> bool:
        """Whether to ask the database; whoever is admitted says afterwards how it went."""
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return True
            if self._state is BreakerState.OPEN or self._trial_under_way:
                return False
            self._trial_under_way = True
            return True

    def admit_in_place_of_requests(self) -> bool:
        """Like `admit`, for a check: where requests come, the trial is theirs, who have more to try."""
        return time.monotonic() - self._half_open_since >= _NO_REQUESTS_S and self.admit()

    def note(self, *, answered: bool) -> None:
        """How it went: whether the database answered in time, be it with an error."""
        if answered:
            self._succeeded()
        else:
            self._failed()

    def close(self) -> None:
        """Stop probing for good."""
        self._closing.set()

    def _watch(self) -> None:
        while not self._closing.wait(_PROBE_INTERVAL_S):
            if self._probe():
                with self._lock:
                    self._state = BreakerState.HALF_OPEN
                    self._half_open_since = time.monotonic()
                return

    def _succeeded(self) -> None:
        if self._state is BreakerState.CLOSED and not self._failures:
            return
        with self._lock:
            self._failures = 0
            # What comes back late, from before it opened, does not say how things are now.
            if self._trial_under_way:
                self._trial_under_way = False
                self._state = BreakerState.CLOSED
                logger.info("%s answers again", self._name)

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            again = self._trial_under_way
            self._trial_under_way = False
            if not again and (self._state is not BreakerState.CLOSED or self._failures < _FAILURES_TO_OPEN):
                return
            self._state = BreakerState.OPEN
        if not again:
            logger.warning(
                "%s is out: answering without it, and looking for it in the background", self._name
            )
        self._on_open()
        threading.Thread(target=self._watch, name=f"{self._name} probe", daemon=True).start()
