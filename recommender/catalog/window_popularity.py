"""Popularity in other windows than the configured one: counted in the background on request, and cached."""

import logging
import math
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex, window_start
from recommender.catalog.window_counts import WindowCounts
from recommender.databases.engagement_db import EngagementDatabase
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError, StillCountingError
from recommender.system.background import start_thread
from recommender.system.clock import PRESENT, Clock

logger = logging.getLogger(__name__)

# Counting scans a whole database index: one window is counted at a time, and at most this many in all wait.
_MAX_COUNTING = 4
# The last requested windows are kept, up to this number and size; 8 of them fit at 300,000 items. One is
# kept whatever its size, as it would otherwise be counted again for each request.
_MAX_KEPT = 8
_MAX_KEPT_BYTES = 64_000_000
# Seconds that the first request for a window waits; later ones do not wait, as that would block threads.
_PATIENCE_S = 0.2
# Seconds after a failure in which no request waits.
_RETRY_S = 2.0


class WindowPopularity:
    """Count the users of each item, by window.

    However many windows are requested, counting takes at most half of the time, and the cache keeps its
    budget in bytes.
    """

    def __init__(
        self, engagement_db: EngagementDatabase, fresh_seconds: float, clock: Clock = PRESENT
    ) -> None:
        self._engagement_db = engagement_db
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._kept: OrderedDict[int, WindowCounts] = OrderedDict()
        self._counting: dict[int, Future[WindowCounts]] = {}
        self._failed_at = -math.inf
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def user_counts(self, window_days: int, index: CatalogIndex, deadline: Deadline) -> NDArray[np.int64]:
        """Return the number of users of each item, shape (items,); at most twice `fresh_seconds` old.

        Raises:
            StillCountingError: counting is under way; a later request may get the result.
            DatabaseUnavailableError: engagement_db did not answer.
        """
        user_counts = self._counts(window_days, deadline).in_order_of(index)
        with self._lock:
            self._trim()
        return user_counts

    def _counts(self, window_days: int, deadline: Deadline) -> WindowCounts:
        """Return cached counts, or wait a moment for new ones."""
        with self._lock:
            kept = self._kept.get(window_days)
            if kept is not None:
                self._kept.move_to_end(window_days)
                if kept.age_s < self._fresh_seconds:
                    return kept
            counting = None if window_days in self._counting else self._start(window_days)
        if kept is not None and kept.age_s < 2 * self._fresh_seconds:
            return kept
        if counting is None:
            raise StillCountingError
        try:
            return counting.result(min(deadline.remaining_s, _PATIENCE_S))
        except TimeoutError as exc:
            raise StillCountingError from exc

    def _start(self, window_days: int) -> Future[WindowCounts]:
        """Start counting a window, unless that has just failed, or too many windows wait."""
        counting: Future[WindowCounts] = Future()
        if time.monotonic() - self._failed_at < _RETRY_S:
            counting.set_exception(DatabaseUnavailableError(DatabaseName.ENGAGEMENT))
        elif len(self._counting) >= _MAX_COUNTING:
            counting.set_exception(StillCountingError())
        else:
            # Store it before the thread starts, which removes it.
            self._counting[window_days] = counting
            if start_thread("window popularity", self._count, window_days, counting) is None:
                del self._counting[window_days]
                counting.set_exception(StillCountingError())
        return counting

    def _count(self, window_days: int, counting: Future[WindowCounts]) -> None:
        with self._turn:
            started = time.monotonic()
            self._count_once(window_days, counting)
            # After a failure, too: one that takes until the timeout has loaded the database as long.
            time.sleep(time.monotonic() - started)

    def _count_once(self, window_days: int, counting: Future[WindowCounts]) -> None:
        try:
            start = window_start(window_days, self._clock.now())
            counted = self._engagement_db.count_positive_users(start)
            counts = WindowCounts(counted.ids, counted.users)
        except DatabaseUnavailableError as exc:
            self._give_up(window_days, counting, exc)
        except Exception:
            # An overlay may return anything; the waiting request must get the error.
            logger.exception("popularity in the last %d days could not be counted", window_days)
            self._give_up(window_days, counting, DatabaseUnavailableError(DatabaseName.ENGAGEMENT))
        else:
            self._keep(window_days, counting, counts)

    def _keep(self, window_days: int, counting: Future[WindowCounts], counts: WindowCounts) -> None:
        with self._lock:
            del self._counting[window_days]
            self._kept[window_days] = counts
            self._kept.move_to_end(window_days)
            self._trim()
        counting.set_result(counts)

    def _trim(self) -> None:
        """Drop the least recently requested windows until the budget is kept."""
        kept_bytes = sum(counts.nbytes for counts in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > _MAX_KEPT or kept_bytes > _MAX_KEPT_BYTES):
            _, counts = self._kept.popitem(last=False)
            kept_bytes -= counts.nbytes

    def _give_up(
        self, window_days: int, counting: Future[WindowCounts], reason: DatabaseUnavailableError
    ) -> None:
        with self._lock:
            del self._counting[window_days]
            self._failed_at = time.monotonic()
        counting.set_exception(reason)
