"""Decide when a training is due. A clock that is turned back does no harm."""

from datetime import datetime, timedelta

from apscheduler.triggers.base import BaseTrigger

from recommender.model_store.runs import Trigger

_FIRST_RETRY_S = 60.0
_LONGEST_RETRY_S = 3_600.0


class Timetable:
    """Decide whether a training is due by the schedule, without a published model, or as a retry.

    Moments are in UTC; `seconds` are by the monotonic clock.
    """

    def __init__(self, trigger: BaseTrigger, *, last_start: datetime | None, is_published: bool) -> None:
        """Continue after the last training.

        Args:
            trigger: the schedule.
            last_start: when the last training began, None if there was none.
            is_published: whether a model is published.
        """
        self._trigger = trigger
        self._since = last_start
        self._is_published = is_published
        # In a row, up to now.
        self._failures = 0
        self._retry_at: float | None = None

    def resume(self, failures: int, elapsed_s: float, seconds: float) -> None:
        """Go on with the pause after trainings that failed before this process began.

        Args:
            failures: how many failed in a row, at least 1.
            elapsed_s: seconds since the end of the last one.
            seconds: the present moment.
        """
        self._failures = failures
        pause = self._pause_s()
        self._retry_at = seconds + min(pause, max(0.0, pause - elapsed_s))

    @property
    def has_failed(self) -> bool:
        """Whether the last training failed or published nothing yet, so that the next one is its retry."""
        return self._retry_at is not None

    def due(self, now: datetime, seconds: float) -> Trigger | None:
        """Return why a training is due now; None if none is due."""
        if self._retry_at is not None and seconds < self._retry_at:
            return None
        if not self._is_published:
            return Trigger.FIRST_START
        if self._retry_at is not None or self._since is None:
            return Trigger.SCHEDULE
        # The clock was turned back: compute the next moment from now, not from one in the future.
        self._since = min(self._since, now)
        upcoming = self._trigger.get_next_fire_time(None, self._since + timedelta(seconds=1))
        return Trigger.SCHEDULE if upcoming is not None and upcoming <= now else None

    def ended(self, began: datetime, seconds: float, *, failed: bool, is_published: bool) -> None:
        """Register the end of a training; a failed one is retried at growing intervals."""
        self._since, self._is_published = began, is_published
        if failed or not is_published:
            self._failures += 1
            self._retry_at = seconds + self._pause_s()
        else:
            self._failures, self._retry_at = 0, None

    def _pause_s(self) -> float:
        # The exponent is bounded, as a float overflows.
        return min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 10))


def has_grown(now: int | None, then: int | None, share: float) -> bool:
    """Return whether interactions have grown by the share; false if either number is unknown."""
    return now is not None and then is not None and now > then and now - then >= share * then
