"""Requests are counted by windows in memory, which end without a thread."""

import threading
import time

import pytest

from recommender.api.rate_windows import SteadyMemoryStorage


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> SteadyMemoryStorage:
    """Return a storage in a process that may start no more threads."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return SteadyMemoryStorage()


def test_a_window_counts_until_it_ends(storage: SteadyMemoryStorage, clock: Clock) -> None:
    assert [storage.incr("a", 60), storage.incr("a", 60), storage.incr("b", 60)] == [1, 2, 1]
    assert storage.get_expiry("a") == clock.now + 60
    clock.now += 59
    assert (storage.incr("a", 60), storage.get("a"), storage.get("c")) == (3, 3, 0)
    clock.now += 1
    assert storage.get("a") == 0
    assert storage.incr("a", 60) == 1
    assert storage.get_expiry("a") == clock.now + 60


def test_ended_windows_take_no_memory(storage: SteadyMemoryStorage, clock: Clock) -> None:
    for caller in range(1000):
        storage.incr(str(caller), 60)
    clock.now += 60
    storage.incr("next", 60)
    assert storage.reset() == 1


def test_a_window_is_restarted_if_the_clock_was_set_back(storage: SteadyMemoryStorage, clock: Clock) -> None:
    storage.incr("a", 60)
    clock.now -= 7_200
    assert [storage.incr("a", 60), storage.incr("a", 60)] == [1, 2]
    clock.now += 60
    assert storage.incr("a", 60) == 1
    # At the end that the first window had, the present one goes on.
    clock.now += 7_200
    assert storage.incr("a", 7_200) == 1
    clock.now += 60
    assert storage.incr("a", 7_200) == 2


def test_a_cleared_key_is_counted_anew(storage: SteadyMemoryStorage) -> None:
    storage.incr("a", 60, 5)
    storage.clear("a")
    assert storage.incr("a", 60) == 1
