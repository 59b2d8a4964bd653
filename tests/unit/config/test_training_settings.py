"""Schedules mean the same as in cron, and invalid ones stop the start with a reason."""

from datetime import UTC, datetime

import pytest

from config.setting_types import SettingsError
from config.settings import load_settings
from config.training_settings import cron_trigger

# A Monday.
MONDAY = datetime(2026, 6, 1, 12, tzinfo=UTC)


def upcoming(schedule: str) -> datetime | None:
    found = cron_trigger(schedule).get_next_fire_time(None, MONDAY)
    assert found is None or isinstance(found, datetime)
    return found


@pytest.mark.parametrize(
    ("schedule", "day", "hour"),
    [
        ("0 3 * * *", 2, 3),
        ("30 14 * * *", 1, 14),
        ("0 3 * * 0", 7, 3),
        ("0 3 * * 7", 7, 3),
        ("0 3 * * 3", 3, 3),
        ("0 3 * * wed", 3, 3),
        ("0 3 * * 6-7", 6, 3),
        ("0 3 * * sun-tue", 2, 3),
        ("0 3 * * 5,4", 4, 3),
        ("0 3 * * */3", 3, 3),
        ("0 */6 * * *", 1, 12),
        ("0 3 15 * *", 15, 3),
        ("0 3 9 * wed", 3, 3),
        ("0 3 2 * wed", 2, 3),
        ("0 3 1-31 * wed", 2, 3),
        # Cron combines the two if one begins with a star.
        ("0 3 10-20 * */7", 14, 3),
        ("0 3 */3 * sat", 13, 3),
    ],
)
def test_a_schedule_is_read_as_cron_reads_it(schedule: str, day: int, hour: int) -> None:
    found = upcoming(schedule)
    assert found is not None
    assert (found.day, found.hour) == (day, hour)


@pytest.mark.parametrize(
    "schedule",
    [
        *("daily", "3", "0 3 * *", "61 3 * * *", "0 25 * * *", "0 3 * * 8", "0 3 * * fri-mon", "* * * * x"),
        # A day that does not exist.
        "0 3 31 2 *",
    ],
)
def test_an_invalid_schedule_stops_the_start_and_is_named(schedule: str) -> None:
    with pytest.raises(SettingsError, match=r"^TRAINING_SCHEDULE: "):
        load_settings({"TRAINING_SCHEDULE": schedule}, dotenv_path=None)


def test_never_turns_the_trainer_off() -> None:
    training = load_settings({"TRAINING_SCHEDULE": " Never "}, dotenv_path=None).training
    assert not training.trains
    assert training.trigger is None
    assert load_settings({}, dotenv_path=None).training.trigger is not None
