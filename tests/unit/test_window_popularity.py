"""Windows are counted once, in the background, and whatever goes wrong is over with the next attempt."""

import threading
import time
from collections.abc import Callable, Mapping

import pytest

from recommender.catalogue import window_popularity
from recommender.catalogue.window_popularity import WindowPopularity
from recommender.deadline import Deadline
from recommender.domain import DatabaseName
from recommender.errors import DatabaseUnavailableError, StillCountingError

FRESH_S = 60.0
COUNTS = {"m": 3}


class Engagement:
    """Counts as it is told to; stands for engagement_db, of which nothing else is used."""

    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        self.count = count
        self.asked: list[str] = []

    def count_positive_users(self, window_start: str) -> Mapping[str, int]:
        self.asked.append(window_start)
        return self.count()


def popularity(engagement: Engagement, fresh_s: float = FRESH_S) -> WindowPopularity:
    return WindowPopularity(engagement, fresh_s)  # type: ignore[arg-type]  # as said above


def ask(windows: WindowPopularity, days: int = 7) -> Mapping[str, int]:
    return windows.counts(days, Deadline.after(5.0))


def ask_until(windows: WindowPopularity, days: int = 7) -> Mapping[str, int]:
    deadline = time.monotonic() + 5
    while True:
        try:
            return ask(windows, days)
        except (StillCountingError, DatabaseUnavailableError):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_window_is_counted_once_while_it_is_fresh() -> None:
    engagement = Engagement(lambda: COUNTS)
    windows = popularity(engagement)
    assert ask_until(windows) == ask_until(windows) == COUNTS
    assert len(engagement.asked) == 1


def test_nobody_but_the_first_waits_for_a_slow_count() -> None:
    go_on = threading.Event()
    engagement = Engagement(lambda: COUNTS if go_on.wait(5) else {})
    windows = popularity(engagement)
    for patience_s in (2.0, 0.1):
        started = time.monotonic()
        with pytest.raises(StillCountingError):
            ask(windows)
        assert time.monotonic() - started < patience_s
    go_on.set()
    assert ask_until(windows) == COUNTS
    assert len(engagement.asked) == 1


def test_too_many_windows_at_a_time_are_put_off() -> None:
    go_on = threading.Event()
    engagement = Engagement(lambda: COUNTS if go_on.wait(5) else {})
    windows = popularity(engagement)
    for days in range(1, 11):
        with pytest.raises(StillCountingError):
            ask(windows, days)
    go_on.set()
    assert ask_until(windows, 10) == COUNTS


def test_after_a_failure_nobody_waits_and_the_next_attempt_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_popularity, "_RETRY_S", 0.3)
    failures: list[Exception] = [
        DatabaseUnavailableError(DatabaseName.ENGAGEMENT),
        ValueError("three columns"),
    ]

    def count() -> Mapping[str, int]:
        if failures:
            raise failures.pop(0)
        return COUNTS

    engagement = Engagement(count)
    windows = popularity(engagement)
    for attempts in (1, 2):
        with pytest.raises(DatabaseUnavailableError):
            ask(windows)
        with pytest.raises(DatabaseUnavailableError):
            ask(windows, 30)
        assert len(engagement.asked) == attempts
        time.sleep(0.35)
    assert ask_until(windows) == COUNTS


def test_an_old_count_serves_until_it_is_twice_as_old_as_fresh() -> None:
    counts = iter([{"m": 1}, {"m": 2}])
    go_on = threading.Event()
    go_on.set()
    engagement = Engagement(lambda: next(counts) if go_on.wait(5) else {})
    windows = popularity(engagement, fresh_s=0.2)
    assert ask_until(windows) == {"m": 1}
    go_on.clear()
    time.sleep(0.25)
    assert ask(windows) == {"m": 1}
    time.sleep(0.2)
    with pytest.raises(StillCountingError):
        ask(windows)
    go_on.set()
    assert ask_until(windows) == {"m": 2}
