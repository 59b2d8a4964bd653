"""Processes count in shared memory, and their counts stay when they end."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from recommender.api.metrics_memory import CountsMemory, Slot


@pytest.fixture
def memory() -> Iterator[CountsMemory]:
    with closing(CountsMemory(6)) as memory:
        yield memory


class Worker:
    """A process that counts, and then waits to be killed."""

    def __init__(self, memory: CountsMemory, act: Callable[[Slot | None], object]) -> None:
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                act(memory.take_slot())
                os.write(write, b"done")
                signal.pause()
            finally:
                os._exit(1)
        os.close(write)
        assert os.read(read, 4) == b"done"
        os.close(read)
        self._lives = True

    def kill(self) -> None:
        if self._lives:
            self._lives = False
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def start(memory: CountsMemory) -> Iterator[Callable[[Callable[[Slot | None], object]], Worker]]:
    workers: list[Worker] = []

    def begin(act: Callable[[Slot | None], object]) -> Worker:
        workers.append(Worker(memory, act))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.kill()


Start = Callable[[Callable[[Slot | None], object]], Worker]


def count(slot: Slot | None) -> None:
    """Count one of each of two series, and set a gauge."""
    assert slot is not None
    for key in (b"one", b"two"):
        idx = slot.series_idx(key)
        assert idx is not None
        slot.add(idx, 1.0)
    slot.write_gauges(str(os.getpid()).encode())


def totals(memory: CountsMemory) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    for key, value in memory.counts():
        found[key] += int(value)
    return found


@pytest.mark.slow
def test_counts_of_ended_workers_stay_and_their_gauges_do_not(memory: CountsMemory, start: Start) -> None:
    workers = [start(count) for _ in range(3)]
    assert totals(memory) == {b"one": 3, b"two": 3}
    assert set(memory.gauges()) == {str(worker.pid).encode() for worker in workers}
    workers[1].kill()
    assert totals(memory) == {b"one": 3, b"two": 3}
    assert set(memory.gauges()) == {str(workers[0].pid).encode(), str(workers[2].pid).encode()}


@pytest.mark.slow
def test_a_worker_takes_over_the_slot_of_an_ended_one(memory: CountsMemory, start: Start) -> None:
    start(count)
    for _ in range(40):
        start(count).kill()
    assert totals(memory) == {b"one": 41, b"two": 41}
    # Two keys in each of two slots, whatever the number of workers so far.
    assert len(list(memory.counts())) == 4


@pytest.mark.slow
def test_a_worker_that_has_taken_over_shows_no_gauges_of_the_one_before(
    memory: CountsMemory, start: Start
) -> None:
    start(count).kill()
    start(lambda slot: slot)
    assert list(memory.gauges()) == []


@pytest.mark.slow
def test_killed_workers_are_found_once_with_the_requests_that_they_were_answering(
    memory: CountsMemory, start: Start
) -> None:
    def answer_three(slot: Slot | None) -> None:
        assert slot is not None
        slot.note_in_flight(3)

    def end_regularly(_slot: Slot | None) -> None:
        memory.end()

    workers = [start(act) for act in (count, answer_three, answer_three, end_regularly, answer_three)]
    for worker in workers[:4]:
        worker.kill()
    memory.take_slot()
    assert memory.lost == (3, 6), "the one that had its slot, and two others"

    def find_none(_slot: Slot | None) -> None:
        assert memory.lost == (0, 0)

    start(find_none)


@pytest.mark.slow
def test_a_worker_that_is_taking_over_shows_no_gauges_of_the_one_before(
    memory: CountsMemory, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(count).kill()
    read, write = os.pipe()

    def stay_there(_slot: Slot) -> None:
        os.write(write, b"in it")
        signal.pause()

    monkeypatch.setattr(Slot, "take_over", stay_there)
    pid = os.fork()
    if pid == 0:
        memory.take_slot()
        os._exit(1)
    try:
        assert os.read(read, 5) == b"in it"
        assert list(memory.gauges()) == []
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(read)
        os.close(write)


@pytest.mark.slow
def test_a_worker_keeps_its_slot_while_it_checks_the_others(memory: CountsMemory, start: Start) -> None:
    slot = memory.take_slot()
    count(slot)
    assert list(memory.gauges()) == [str(os.getpid()).encode()]
    start(count)
    assert len(list(memory.gauges())) == 2


@pytest.mark.slow
def test_a_full_memory_has_no_slot_until_a_worker_ends(memory: CountsMemory, start: Start) -> None:
    workers = [start(count) for _ in range(6)]
    start(lambda slot: slot is None or os._exit(2))
    workers[3].kill()
    start(count)
    assert totals(memory)[b"one"] == 7


def test_a_full_slot_keeps_its_series(memory: CountsMemory) -> None:
    slot = memory.take_slot()
    assert slot is not None
    indices: list[int] = []
    while (idx := slot.series_idx(b"k" * 1_000 + str(len(indices)).encode())) is not None:
        slot.add(idx, 1.0)
        indices.append(idx)
    assert len(indices) > 1_000
    assert [value for _, value in memory.counts()] == [1.0] * len(indices)
    assert slot.series_idx(b"k" * 1_000 + b"0") == 0
    slot.write_gauges(b"g")
    assert list(memory.gauges()) == [b"g"], "nothing was written over"
    slot.write_gauges(b"g" * 100_000)
    assert list(memory.gauges()) == [], "too much of it"


def test_a_slot_holds_a_bounded_number_of_series(memory: CountsMemory) -> None:
    slot = memory.take_slot()
    assert slot is not None
    indices = [slot.series_idx(str(number).encode()) for number in range(25_000)]
    assert indices.count(None) == 25_000 - 20_480


def test_without_files_in_memory_a_temporary_file_holds_the_locks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with closing(CountsMemory(2)) as memory:
        worker = Worker(memory, count)
        assert len(list(memory.gauges())) == 1
        worker.kill()
        assert list(memory.gauges()) == []
