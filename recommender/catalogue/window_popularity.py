"""Popularity in other windows than the configured one: counted in the background when asked for, and kept."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from recommender.catalogue.index import window_start
from recommender.databases.engagement_db import EngagementDatabase
from recommender.deadline import Deadline
from recommender.domain import DatabaseName
from recommender.errors import DatabaseUnavailableError

# Counting reads an index whole: one window is counted at a time, and so many may wait for their turn.
_MAX_COUNTING = 4
# So many windows are kept.
_MAX_KEPT = 8

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Counted:
    counts: Counts
    at: float


class WindowPopularity:
    """How many users each medium has, by window. A request waits no longer than until its deadline."""

    def __init__(self, engagement_db: EngagementDatabase, fresh_seconds: float) -> None:
        self._engagement_db = engagement_db
        self._fresh_seconds = fresh_seconds
        self._kept: OrderedDict[int, _Counted] = OrderedDict()
        self._counting: dict[int, Future[Counts]] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def counts(self, window_days: int, deadline: Deadline) -> Counts:
        """Users by medium, in the catalogue or not; an older count until there is a fresh one.

        Raises:
            DatabaseUnavailableError: it could not be counted, or not yet; the next to ask may have it.
        """
        with self._lock:
            kept = self._kept.get(window_days)
            if kept is not None:
                self._kept.move_to_end(window_days)
                if time.monotonic() - kept.at < self._fresh_seconds:
                    return kept.counts
            counting = self._counting.get(window_days) or self._start(window_days)
        if kept is not None:
            return kept.counts
        if counting is None:
            raise DatabaseUnavailableError(DatabaseName.ENGAGEMENT)
        try:
            return counting.result(deadline.remaining_s)
        except TimeoutError as exc:
            raise DatabaseUnavailableError(DatabaseName.ENGAGEMENT) from exc

    def _start(self, window_days: int) -> Future[Counts] | None:
        """Have a window counted; None where too many are waiting for that."""
        if len(self._counting) >= _MAX_COUNTING:
            return None
        counting: Future[Counts] = Future()
        self._counting[window_days] = counting
        # Nobody waits for it at the end of the process.
        threading.Thread(
            target=self._count, args=(window_days, counting), name="window popularity", daemon=True
        ).start()
        return counting

    def _count(self, window_days: int, counting: Future[Counts]) -> None:
        try:
            with self._turn:
                counts = self._engagement_db.count_positive_users(window_start(window_days))
        except DatabaseUnavailableError as exc:
            self._finish(window_days, None)
            counting.set_exception(exc)
        else:
            self._finish(window_days, _Counted(counts, time.monotonic()))
            counting.set_result(counts)

    def _finish(self, window_days: int, counted: _Counted | None) -> None:
        with self._lock:
            del self._counting[window_days]
            if counted is not None:
                self._kept[window_days] = counted
                if len(self._kept) > _MAX_KEPT:
                    self._kept.popitem(last=False)
