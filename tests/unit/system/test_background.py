"""A thread that repeats its work survives failures, can be woken, and stops on request."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from recommender.system.background import Ahead, Pause, RepeatingThread, revive_threads

LONG_S = 60.0


@contextmanager
def repeating(run: Callable[[], Pause]) -> Iterator[RepeatingThread]:
    thread = RepeatingThread("worker", run, retry_s=0.01)
    thread.open()
    try:
        yield thread
    finally:
        thread.close()


def test_the_thread_survives_exceptions(caplog: pytest.LogCaptureFixture) -> None:
    third = threading.Event()
    runs: list[int] = []

    def run() -> Pause:
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError("the reason")
        third.set()
        return Pause(LONG_S, LONG_S)

    with repeating(run):
        assert third.wait(5)
    assert "RuntimeError: the reason" in caplog.text


def test_a_woken_thread_waits_only_the_shortest_pause() -> None:
    done = threading.Semaphore(0)

    def run() -> Pause:
        done.release()
        return Pause(0.05, LONG_S)

    with repeating(run) as thread:
        assert done.acquire(timeout=5)
        started = time.monotonic()
        thread.wake()
        assert done.acquire(timeout=5)
        assert time.monotonic() - started >= 0.04
        assert not done.acquire(timeout=0.2), "one wake is one run"


def test_the_longest_pause_includes_the_shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    has_waited = threading.Event()
    thread = RepeatingThread("worker", lambda: Pause(0.25, 1.0), retry_s=0.01)

    class Wake(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            thread.stop()
            has_waited.set()
            return True

    monkeypatch.setattr(thread, "_wake", Wake())
    thread.open()
    assert has_waited.wait(5)
    thread.close()
    assert waits == [0.75]


def test_close_ends_a_pause_at_once() -> None:
    for pause in (Pause(LONG_S, LONG_S), Pause(0.0, LONG_S)):
        ran = threading.Event()

        def run(pause: Pause = pause, ran: threading.Event = ran) -> Pause:
            ran.set()
            return pause

        with repeating(run):
            assert ran.wait(5)
            started = time.monotonic()
        assert time.monotonic() - started < 5


def test_close_during_work_stops_after_it() -> None:
    working, go_on = threading.Event(), threading.Event()

    def run() -> Pause:
        working.set()
        go_on.wait(5)
        return Pause(0.0, LONG_S)

    thread = RepeatingThread("worker", run, retry_s=0.01)
    thread.open()
    assert working.wait(5)
    closing = threading.Thread(target=thread.close)
    closing.start()
    go_on.set()
    closing.join(5)
    assert not closing.is_alive()


def test_a_thread_that_was_never_started_can_be_closed() -> None:
    RepeatingThread("worker", lambda: Pause(0.0, 0.0), retry_s=0.01).close()


def test_system_exit_does_not_end_the_thread() -> None:
    third = threading.Event()
    runs: list[int] = []

    def run() -> Pause:
        runs.append(1)
        if len(runs) < 3:
            raise SystemExit
        third.set()
        return Pause(LONG_S, LONG_S)

    with repeating(run):
        assert third.wait(5)


def test_a_thread_that_cannot_be_started_is_named_and_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = threading.Event()

    def run() -> Pause:
        ran.set()
        return Pause(LONG_S, LONG_S)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more_threads)
        thread = RepeatingThread("worker", run, retry_s=0.01)
        thread.open()
        assert "worker" in revive_threads()
        assert not ran.is_set()
    assert "worker" not in revive_threads()
    assert ran.wait(5)
    thread.close()


def no_more_threads(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_closed_thread_is_not_started_again() -> None:
    runs: list[int] = []

    def run() -> Pause:
        runs.append(1)
        return Pause(0.0, 0.0)

    with repeating(run):
        pass
    before = len(runs)
    assert "worker" not in revive_threads()
    time.sleep(0.05)
    assert len(runs) == before


def test_work_ahead_begins_at_once_in_the_context_of_its_caller() -> None:
    begun, place = threading.Event(), ContextVar("place", default="")
    place.set("here")

    def work() -> str:
        begun.set()
        return place.get()

    ahead = Ahead("ahead", work)
    assert begun.wait(5)
    assert ahead.result() == "here"


def test_an_error_of_work_ahead_is_raised_with_its_result() -> None:
    def work() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        Ahead("ahead", work).result()


def test_without_a_thread_work_ahead_is_done_when_its_result_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[int] = []
    monkeypatch.setattr(threading.Thread, "start", no_more_threads)
    ahead = Ahead("ahead", lambda: runs.append(1))
    assert runs == []
    ahead.result()
    assert runs == [1]
