"""Windows are counted once, in the background, and the next attempt recovers from any failure."""

import gc
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from recommender.catalog import window_popularity
from recommender.catalog.index import CatalogIndex, build_index
from recommender.catalog.popularity import UNKNOWN_POPULARITY
from recommender.catalog.window_popularity import WindowPopularity
from recommender.databases.engagement_db import ItemCounts
from recommender.deadline import Deadline
from recommender.entities import CatalogEntry, DatabaseName
from recommender.errors import DatabaseUnavailableError, StillCountingError
from recommender.texts.id_table import IdTexts

pytestmark = pytest.mark.slow

FRESH_S = 60.0
COUNTS = {"m": 3}


class Engagement:
    """Stands in for engagement_db, and counts as it is told to."""

    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        self.count = count
        self.asked: list[str] = []

    def count_positive_users(self, window_start: str) -> ItemCounts:
        self.asked.append(window_start)
        counts = self.count()
        users = np.array(list(counts.values()), dtype=np.int64)
        return ItemCounts(IdTexts.of(list(counts)), users, users)


def popularity(engagement: Engagement, fresh_s: float = FRESH_S) -> WindowPopularity:
    return WindowPopularity(engagement, fresh_s)  # type: ignore[arg-type]  # as said above


def index_of(*item_ids: str) -> CatalogIndex:
    entries = [
        CatalogEntry((None, None, None), item_id, hash(item_id).to_bytes(8, signed=True))
        for item_id in item_ids
    ]
    return build_index(entries, UNKNOWN_POPULARITY)


INDEX = index_of("m", "unheard of")


def ask(windows: WindowPopularity, days: int = 7, index: CatalogIndex = INDEX) -> Mapping[str, int]:
    counts = windows.user_counts(days, index, Deadline.after(5.0)).tolist()
    return {item_id: count for item_id, count in zip(index.item_ids, counts, strict=True) if count}


def ask_until(windows: WindowPopularity, days: int = 7, index: CatalogIndex = INDEX) -> Mapping[str, int]:
    deadline = time.monotonic() + 5
    while True:
        try:
            return ask(windows, days, index)
        except (StillCountingError, DatabaseUnavailableError):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_window_is_counted_once_while_it_is_fresh() -> None:
    engagement = Engagement(lambda: COUNTS)
    windows = popularity(engagement)
    assert ask_until(windows) == ask_until(windows) == COUNTS
    assert len(engagement.asked) == 1


def test_only_the_first_request_waits_for_a_slow_count() -> None:
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


def test_too_many_windows_at_a_time_are_postponed() -> None:
    go_on = threading.Event()
    engagement = Engagement(lambda: COUNTS if go_on.wait(5) else {})
    windows = popularity(engagement)
    before = set(threading.enumerate())
    for days in range(1, 11):
        with pytest.raises(StillCountingError):
            ask(windows, days)
    started = [thread.name for thread in threading.enumerate() if thread not in before]
    assert started == ["window popularity"] * 4
    go_on.set()
    assert ask_until(windows, 10) == COUNTS


def test_after_a_failure_no_request_waits_and_the_next_attempt_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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


def test_counting_that_fails_takes_at_most_half_of_the_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_popularity, "_RETRY_S", 0.0)
    began: list[float] = []

    def count() -> Mapping[str, int]:
        began.append(time.monotonic())
        time.sleep(0.4)
        raise DatabaseUnavailableError(DatabaseName.ENGAGEMENT)

    windows = popularity(Engagement(count))
    ends_at = time.monotonic() + 5.0
    while len(began) < 3 and time.monotonic() < ends_at:
        with pytest.raises((DatabaseUnavailableError, StillCountingError)):
            ask(windows)
        time.sleep(0.02)
    assert np.diff(began).min() >= 0.75


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


def test_counts_are_in_the_order_of_the_index_in_use() -> None:
    engagement = Engagement(lambda: {"a": 1, "b": 2, "gone": 9, "new": 4})
    windows = popularity(engagement)
    for item_ids in (("b", "a", "c"), ("new", "a"), (), ("b", "a", "c")):
        known = {item_id: engagement.count()[item_id] for item_id in item_ids if item_id != "c"}
        assert ask_until(windows, 7, index_of(*item_ids)) == known
    assert len(engagement.asked) == 1


def test_a_window_in_which_nothing_happened_has_no_counts() -> None:
    assert ask_until(popularity(Engagement(dict))) == {}


def test_an_index_that_was_swapped_out_is_not_kept() -> None:
    windows = popularity(Engagement(lambda: COUNTS))
    swapped_out = []
    for days in (1, 7, 30):
        index = index_of("m", "other")
        ask_until(windows, days, index)
        swapped_out.append(weakref.ref(index))
        del index
    gc.collect()
    assert [index() for index in swapped_out] == [None] * 3


def test_few_windows_are_kept() -> None:
    engagement = Engagement(lambda: {f"{number:036}": number for number in range(2_000)})
    windows = popularity(engagement)
    index = index_of(*(f"{number:036}" for number in range(2_000)))
    tracemalloc.start()
    try:
        for days in range(1, 36_500, 2_000):
            ask_until(windows, days, index)
        engagement.asked.clear()
        gc.collect()
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 9 * 2_000 * 24 + 200_000
    for days in (36_001, 34_001):
        ask(windows, days, index)
    assert engagement.asked == []


def test_a_window_that_is_requested_all_the_time_stays() -> None:
    engagement = Engagement(lambda: COUNTS)
    windows = popularity(engagement)
    ask_until(windows, 7)
    for days in range(100, 110):
        ask_until(windows, days)
        assert ask(windows, 7) == COUNTS
    assert len(engagement.asked) == 11


def test_counts_in_the_order_of_the_index_count_towards_the_limit_in_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item_ids = [f"{number:036}" for number in range(1_000)]
    engagement = Engagement(lambda: dict.fromkeys(item_ids, 1))
    windows, index = popularity(engagement), index_of(*item_ids)
    # Enough for two windows, of which one is in the order of the index: 8 bytes more an item.
    monkeypatch.setattr(window_popularity, "_MAX_KEPT_BYTES", 2 * 16_000 + 8_000)
    for days in (1, 2):
        ask_until(windows, days, index)
    engagement.asked.clear()
    ask_until(windows, 1, index)
    assert len(engagement.asked) == 1


def test_the_limit_in_bytes_applies_before_that_of_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    item_ids = [f"{number:036}" for number in range(1_000)]
    engagement = Engagement(lambda: dict.fromkeys(item_ids, 1))
    windows = popularity(engagement)
    index = index_of(*item_ids)
    for budget, kept in ((3 * 24_000, 3), (1, 1)):
        monkeypatch.setattr(window_popularity, "_MAX_KEPT_BYTES", budget)
        for days in range(1, 7):
            ask_until(windows, days, index)
        engagement.asked.clear()
        for days in range(7 - kept, 7):
            ask(windows, days, index)
        assert engagement.asked == []
        ask_until(windows, 6 - kept, index)
        assert len(engagement.asked) == 1
