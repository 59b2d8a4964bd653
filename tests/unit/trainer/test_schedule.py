"""A training is due by the schedule, at the first start, after a failure, and after new interactions."""

from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.base import BaseTrigger

from config.training_settings import cron_trigger
from recommender.model_store.runs import Trigger
from recommender.trainer.schedule import Timetable, has_grown

DAY = timedelta(days=1)
NOON = datetime(2026, 6, 3, 12, tzinfo=UTC)
AT_THREE = cron_trigger("0 3 * * *")


def timetable(
    last_start: datetime | None,
    *,
    is_published: bool = True,
    trigger: BaseTrigger = AT_THREE,
) -> Timetable:
    return Timetable(trigger, last_start=last_start, is_published=is_published)


def test_a_training_is_due_at_the_scheduled_moment_and_not_before() -> None:
    table = timetable(NOON)
    upcoming = datetime(2026, 6, 4, 3, tzinfo=UTC)
    assert table.due(upcoming - timedelta(seconds=1), 0.0) is None
    assert table.due(upcoming, 0.0) is Trigger.SCHEDULE
    table.ended(upcoming, 0.0, failed=False, is_published=True)
    assert table.due(upcoming + timedelta(seconds=1), 0.0) is None
    assert table.due(upcoming + DAY, 0.0) is Trigger.SCHEDULE


def test_with_day_and_weekday_a_training_is_due_on_either() -> None:
    table = timetable(NOON, trigger=cron_trigger("0 3 8 * fri"))
    for day in (5, 8, 12):
        upcoming = datetime(2026, 6, day, 3, tzinfo=UTC)
        assert table.due(upcoming - timedelta(seconds=1), 0.0) is None
        assert table.due(upcoming, 0.0) is Trigger.SCHEDULE
        table.ended(upcoming, 0.0, failed=False, is_published=True)


def test_missed_moments_are_due_once() -> None:
    table = timetable(NOON - 5 * DAY)
    assert table.due(NOON, 0.0) is Trigger.SCHEDULE
    table.ended(NOON, 0.0, failed=False, is_published=True)
    assert table.due(NOON, 0.0) is None


def test_without_a_run_or_a_model_a_training_is_due_at_once() -> None:
    assert timetable(None).due(NOON, 0.0) is Trigger.SCHEDULE
    assert timetable(NOON, is_published=False).due(NOON, 0.0) is Trigger.FIRST_START


def test_a_failure_is_tried_again_less_and_less_often() -> None:
    table = timetable(NOON)
    seconds, pauses = 0.0, []
    for _ in range(9):
        table.ended(NOON, seconds, failed=True, is_published=True)
        waited = next(pause for pause in range(0, 4_000, 10) if table.due(NOON, seconds + pause))
        pauses.append(waited)
        seconds += waited
    assert pauses == [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]
    table.ended(NOON, seconds, failed=False, is_published=True)
    assert table.due(NOON, seconds + 10_000) is None


@pytest.mark.parametrize(("elapsed_s", "waits_s"), [(0, 480), (300, 180), (-100, 480), (10_000, 0)])
def test_after_a_restart_the_pause_after_failures_goes_on(elapsed_s: float, waits_s: int) -> None:
    table = timetable(NOON)
    table.resume(4, elapsed_s, 1_000.0)
    assert not waits_s or table.due(NOON, 1_000.0 + waits_s - 1) is None
    assert table.due(NOON, 1_000.0 + waits_s) is Trigger.SCHEDULE
    table.ended(NOON, 2_000.0, failed=True, is_published=True)
    assert table.due(NOON, 2_000.0 + 959) is None
    assert table.due(NOON, 2_000.0 + 960) is Trigger.SCHEDULE


def test_after_a_run_without_a_model_the_next_waits() -> None:
    table = timetable(None, is_published=False)
    table.ended(NOON, 0.0, failed=False, is_published=False)
    assert table.due(NOON, 59.0) is None
    assert table.due(NOON, 60.0) is Trigger.FIRST_START


@pytest.mark.parametrize("turned", ["before the start", "while it runs"])
def test_a_clock_set_back_delays_a_training_by_a_day_at_most(turned: str) -> None:
    back = NOON - 100 * DAY
    table = timetable(NOON)
    if turned == "while it runs":
        assert table.due(back, 0.0) is None
    assert table.due(back + timedelta(hours=14), 0.0) is None
    assert table.due(back + timedelta(hours=15), 0.0) is Trigger.SCHEDULE


@pytest.mark.parametrize(
    ("now", "then", "share", "expected"),
    [
        (110, 100, 0.1, True),
        (109, 100, 0.1, False),
        (90, 100, 0.1, False),
        (100, 100, 0.0, False),
        (101, 100, 0.0, True),
        (5, 0, 0.1, True),
        (None, 100, 0.1, False),
        (100, None, 0.1, False),
    ],
)
def test_growth_is_measured_as_a_share_of_the_earlier_number(
    now: int | None, then: int | None, share: float, *, expected: bool
) -> None:
    assert has_grown(now, then, share) is expected
