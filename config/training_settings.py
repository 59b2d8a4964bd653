"""The schedule of automatic training."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from pydantic import field_validator

from config.setting_types import SettingsGroup, Share

NEVER = "never"
_FIELDS = 5
# Every day that exists comes after it.
_LEAP_YEAR = datetime(2000, 1, 1, tzinfo=UTC)
# As cron counts them: Sunday is 0, and 7 as well.
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEKDAY_PART = re.compile(r"(?P<first>[a-z]{3}|[0-7]|\*)(?:-(?P<last>[a-z]{3}|[0-7]))?(?:/(?P<step>[1-7]))?")


class TrainingSettings(SettingsGroup):
    """When the trainer trains.

    `training_schedule`: minute, hour, day, month and weekday as cron has them, in UTC; `never` for none.
    `training_new_share`: it also trains when so many interactions have come, as a share of those at the last
    training; 0 for any.
    """

    training_schedule: str = "0 3 * * *"
    training_new_share: Share = 0.1

    @field_validator("training_schedule")
    @classmethod
    def _is_schedule(cls, value: str) -> str:
        if value.strip().lower() == NEVER:
            return NEVER
        cron_trigger(value)
        return value

    @property
    def trains(self) -> bool:
        """Whether a trainer runs."""
        return self.training_schedule != NEVER

    @property
    def trigger(self) -> BaseTrigger | None:
        """The moments of the schedule; None for never."""
        return cron_trigger(self.training_schedule) if self.trains else None


def cron_trigger(text: str) -> BaseTrigger:
    """Return the moments of a schedule in the form of cron, in UTC.

    Raises:
        ValueError: the form is wrong, or there is no such moment.
    """
    fields = text.split()
    if len(fields) != _FIELDS:
        raise ValueError(
            "must be `never`, or minute, hour, day, month and weekday as cron has them, such as `0 3 * * *`"
        )
    minute, hour, day, month, weekday = fields
    try:
        # APScheduler counts weekdays from Monday, cron from Sunday; names are the same in both.
        named = ",".join(_named_weekdays(weekday.lower()))
        if day.startswith("*") or weekday.startswith("*"):
            days = [(day, named)]
        else:
            # Two separate conditions to cron: `1 * mon` is each first of a month and each Monday.
            days = [(day, "*"), ("*", named)]
        triggers = [
            CronTrigger(minute=minute, hour=hour, day=each, month=month, day_of_week=of_week, timezone=UTC)
            for each, of_week in days
        ]
    except ValueError as exc:
        raise ValueError(f"is not a valid cron schedule: {exc}") from None
    trigger = OrTrigger(triggers)
    if trigger.get_next_fire_time(None, _LEAP_YEAR) is None:
        raise ValueError("names a day that does not exist")
    return trigger


def _named_weekdays(field: str) -> Iterator[str]:
    for part in field.split(","):
        found = _WEEKDAY_PART.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is no weekday")
        if part == "*":
            yield part
            continue
        first, last = _weekday_range(found)
        for number in range(first, last + 1, int(found["step"] or 1)):
            yield _WEEKDAYS[number % len(_WEEKDAYS)]


def _weekday_range(found: re.Match[str]) -> tuple[int, int]:
    if found["first"] == "*":
        return 0, len(_WEEKDAYS) - 1
    first = _weekday_number(found["first"])
    if found["last"] is None:
        return first, len(_WEEKDAYS) - 1 if found["step"] else first
    last = _weekday_number(found["last"])
    if last < first:
        raise ValueError(f"{found[0]!r} ends before it begins")
    return first, last


def _weekday_number(text: str) -> int:
    if text.isdigit():
        return int(text)
    if text not in _WEEKDAYS:
        raise ValueError(f"{text!r} is not a weekday")
    return _WEEKDAYS.index(text)
