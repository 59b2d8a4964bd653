"""What a worker does if it may start no more threads."""

import threading

import pytest

from config.guarded_worker import RequestThreads

_start = threading.Thread.start


def test_without_more_threads_the_existing_ones_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []

    def start_one(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        _start(thread)

    working = threading.Event()
    with RequestThreads(max_workers=4) as threads:
        monkeypatch.setattr(threading.Thread, "start", start_one)
        first = threads.submit(working.wait, 10)
        others = [threads.submit(int, "7") for _ in range(3)]
        working.set()
        assert first.result(10)
        assert [other.result(10) for other in others] == [7, 7, 7]
