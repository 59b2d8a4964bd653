"""When a training is due. It goes by the clock it is given, and bears one that is turned back."""

from datetime import datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from recommender.model_store.runs import Trigger

_FIRST_RETRY_S = 60.0
_LONGEST_RETRY_S = 3_600.0


class Timetable:
    """Says whether a training is due by the schedule, because nothing is published, or to be tried again.

    Moments are in UTC; `seconds` are those of a clock that only goes forward.
    """

    def __init__(
        self, trigger: CronTrigger, *, last_start: datetime | None, is_published: bool, now: datetime
    ) -> None:
        """Begin.

        Args:
            trigger: the schedule.
            last_start: when the last training began, if there was any.
            is_published: whether a model is.
            now: the moment.
        """
        self._trigger = trigger
        self._since = None if last_start is None else min(last_start, now)
        self._is_published = is_published
        self._retry_s = 0.0
        self._retry_at: float | None = None

    def due(self, now: datetime, seconds: float) -> Trigger | None:
        """Return why a training is due now; None where none is."""
        if self._retry_at is not None and seconds < self._retry_at:
            return None
        if not self._is_published:
            return Trigger.FIRST_START
        if self._retry_at is not None or self._since is None:
            return Trigger.SCHEDULE
        # A clock that was turned back: the wait is for the next moment after now, not after one to come.
        self._since = min(self._since, now)
        upcoming = self._trigger.get_next_fire_time(None, self._since + timedelta(seconds=1))
        return Trigger.SCHEDULE if upcoming is not None and upcoming <= now else None

    def ended(self, began: datetime, seconds: float, *, failed: bool, is_published: bool) -> None:
        """Note that a training is over; one that failed is tried again, less and less often."""
        self._since, self._is_published = began, is_published
        if failed or not is_published:
            self._retry_s = min(_LONGEST_RETRY_S, max(_FIRST_RETRY_S, 2 * self._retry_s))
            self._retry_at = seconds + self._retry_s
        else:
            self._retry_s, self._retry_at = 0.0, None


def has_grown(now: int | None, then: int | None, share: float) -> bool:
    """Whether so large a share of what was there has come; false where either number is not known."""
    return now is not None and then is not None and now > then and now - then >= share * then
