"""Loads of the catalog that fail are repeated soon at first, then less and less often."""

import itertools
import time

import pytest

from recommender.catalog.load_schedule import RETRY_S, LoadSchedule

REFRESH_S = 300.0


def pauses_after_failures(took_s: float, failures: int) -> list[float]:
    """Return the pause after each of several loads in a row that fail after `took_s` seconds."""
    schedule, pauses = LoadSchedule(REFRESH_S), []
    for _ in range(failures):
        schedule.plan(time.monotonic() - took_s, settled=False, failed=True)
        pauses.append(schedule.pause.least_s)
    return pauses


def test_a_load_that_fails_once_is_repeated_after_as_long_as_it_took() -> None:
    assert pauses_after_failures(30.0, 1) == [pytest.approx(30.0, abs=1.0)]


def test_the_pause_doubles_up_to_the_usual_time() -> None:
    assert pauses_after_failures(30.0, 6) == pytest.approx([30.0, 60.0, 120.0, 240.0, 300.0, 300.0], abs=1.0)


def test_the_pause_is_at_most_16_times_as_long_as_the_load() -> None:
    assert pauses_after_failures(1.0, 8)[-1] == pytest.approx(16.0, abs=1.0)


def test_a_load_that_fails_at_once_is_repeated_every_two_seconds() -> None:
    assert pauses_after_failures(0.0, 20) == pytest.approx([RETRY_S] * 20, abs=0.5)


def test_a_load_that_takes_longer_than_the_usual_time_rests_as_long() -> None:
    assert pauses_after_failures(500.0, 3) == pytest.approx([500.0] * 3, abs=1.0)


def test_after_a_success_the_pause_grows_from_the_beginning() -> None:
    schedule = LoadSchedule(REFRESH_S)
    found = []
    for failed in (True, True, False, True):
        schedule.plan(time.monotonic() - 30.0, settled=not failed, failed=failed)
        found.append(schedule.pause.least_s)
    assert found == pytest.approx([30.0, 60.0, 30.0, 30.0], abs=1.0)


def test_a_load_that_is_held_back_is_repeated_after_as_long_as_it_took() -> None:
    schedule = LoadSchedule(REFRESH_S)
    for _ in range(4):
        schedule.plan(time.monotonic() - 30.0, settled=False, failed=False)
        assert schedule.pause.least_s == pytest.approx(30.0, abs=1.0)


def test_after_a_load_that_went_well_another_is_due_once_per_interval() -> None:
    schedule = LoadSchedule(REFRESH_S)
    dues = set()
    for _ in range(50):
        schedule.plan(time.monotonic(), settled=True, failed=False)
        dues.add(schedule.pause.most_s)
    assert all(0.89 * REFRESH_S <= due <= 1.1 * REFRESH_S for due in dues)
    assert any(later - earlier > 1.0 for earlier, later in itertools.pairwise(sorted(dues))), "spread"
