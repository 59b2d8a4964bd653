"""Decide when the databases are read for the next catalog index."""

import math
import random
import time

from recommender.system.background import Pause

RETRY_S = 2.0
# How often the pause is doubled while loads fail one after the other.
_MOST_DOUBLINGS = 4


class LoadSchedule:
    """The moments, by the monotonic clock, from which a load is allowed, and is due."""

    def __init__(self, refresh_seconds: float) -> None:
        """Be due at once; afterwards, `refresh_seconds` after the begin of each load that went well."""
        self._refresh_seconds = refresh_seconds
        self._allowed_at = self._due_at = -math.inf
        self._failures = 0

    @property
    def is_allowed(self) -> bool:
        """Whether a load that is asked for may begin."""
        return time.monotonic() >= self._allowed_at

    @property
    def is_due(self) -> bool:
        """Whether a load should begin though none is asked for."""
        return time.monotonic() >= self._due_at

    @property
    def pause(self) -> Pause:
        """The pause until the next load."""
        now = time.monotonic()
        return Pause(max(0.0, self._allowed_at - now), max(0.0, self._due_at - now))

    def follow(self, loaded_at: float) -> None:
        """Go on after the load of another process."""
        self._allowed_at, self._due_at = -math.inf, loaded_at + self._refresh_seconds

    def plan(self, started: float, *, settled: bool, failed: bool) -> None:
        """Plan the next load after one that has just ended.

        Args:
            started: when it began.
            settled: whether the next one may wait for the usual time.
            failed: whether it could not be completed. What failed may have read whole tables, so the pause
                grows with each failure in a row from the duration of the load to 16 times that, but not
                beyond the usual time.
        """
        now = time.monotonic()
        self._failures = self._failures + 1 if failed else 0
        # However often loads fail or are asked for, they take at most half of the time.
        elapsed_s = now - started
        doublings = min(max(0, self._failures - 1), _MOST_DOUBLINGS)
        rest_s = max(elapsed_s, min(elapsed_s * 2**doublings, self._refresh_seconds))
        # The random spread keeps hosts that start together from always loading together.
        spread = random.uniform(0.9, 1.1)  # noqa: S311  # nosec B311 # may be guessed
        wanted_s = self._refresh_seconds * spread if settled else min(RETRY_S, self._refresh_seconds)
        self._allowed_at = now + max(min(RETRY_S, wanted_s), rest_s)
        self._due_at = max(self._allowed_at, started + wanted_s)
