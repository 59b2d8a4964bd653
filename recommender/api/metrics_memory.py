"""Shared memory in which the workers of one Gunicorn count, so that each can add up all counts.

It is made before the fork and has no file, so neither a full disk nor a cleanup of files can break it. A
worker counts in a slot, on which it holds two locks: the first marks the slot as taken. The second marks its
gauges as those of a live worker; it is taken after the gauges of the previous worker are cleared. The kernel
releases both locks when the worker ends in any way. The next worker in the slot continues its counts. If the
worker did not end as it should, its slot still says that it is in use: the next worker to start counts it as
lost, with the requests that it was answering.
"""

import fcntl
import itertools
import mmap
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

# Sizes in bytes. The system allocates pages when they are written to.
_HEADER = 4_096
_VALUES = 163_840
_GAUGES = 32_768
_KEYS = 2_387_968
_SLOT = _HEADER + _VALUES + 2 * _GAUGES + _KEYS
# Words of the header: the bytes of keys in use, the number of writes of gauges, 1 until the worker ends
# regularly, and the number of requests that it is answering.
_KEYS_END, _WRITTEN, _IN_USE, _IN_FLIGHT = 0, 1, 2, 3
_LENGTH = 8
_READ_ATTEMPTS = 5
# More slots than workers: old and new workers overlap during reloads.
_LEAST_SLOTS = 64
_SLOTS_A_WORKER = 4


class Lost(NamedTuple):
    """Workers that ended irregularly, for example killed for lack of memory, and their open requests."""

    workers: int
    requests: int


class Slot:
    """Counts (floats by key) of one worker and its predecessors, and the gauges of the worker.

    Values and keys are parallel arrays, in the order in which series were opened. Gauges are written
    completely into one of two buffers in turn, so that readers always find a complete one.
    """

    def __init__(self, view: memoryview) -> None:
        ends = itertools.accumulate((_HEADER, _VALUES, _GAUGES, _GAUGES, _KEYS), initial=0)
        header, values, even, odd, keys = (view[start:end] for start, end in itertools.pairwise(ends))
        self._header = header.cast("Q")
        self._values = values.cast("d")
        self._gauges = (even, odd)
        self._keys = keys
        self._idx_of_key: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def take_over(self) -> None:
        """Keep the counts of the previous worker, and clear its gauges."""
        self._idx_of_key = {key: idx for idx, (key, _) in enumerate(self.counts())}
        self.write_gauges(b"")
        self.note_in_flight(0)
        self._header[_IN_USE] = 1

    @property
    def is_in_use(self) -> bool:
        """Whether a worker has taken the slot and has not ended regularly."""
        return self._header[_IN_USE] == 1

    def end(self) -> Lost:
        """Note that the worker has ended. If that was not noted before, return what is lost with it."""
        if not self.is_in_use:
            return Lost(0, 0)
        self._header[_IN_USE] = 0
        return Lost(1, self._header[_IN_FLIGHT])

    def note_in_flight(self, requests: int) -> None:
        """Note how many requests the worker is answering."""
        self._header[_IN_FLIGHT] = requests

    def series_idx(self, key: bytes) -> int | None:
        """Return the index of a series, opened at 0 if it is new; None if the slot is full.

        `key`: has no line breaks.
        """
        with self._lock:
            if key in self._idx_of_key:
                return self._idx_of_key[key]
            idx, start = len(self._idx_of_key), self._header[_KEYS_END]
            line = key + b"\n"
            end = start + len(line)
            if idx == len(self._values) or end > len(self._keys):
                return None
            self._values[idx] = 0.0
            self._keys[start:end] = line
            # Last: a reader, or the next worker if this one is killed, sees no incomplete key.
            self._header[_KEYS_END] = end
            self._idx_of_key[key] = idx
            return idx

    def add(self, idx: int, amount: float) -> None:
        """Add an amount to a series."""
        with self._lock:
            self._values[idx] += amount

    def get(self, idx: int) -> float:
        """Return the value of a series."""
        return self._values[idx]

    def counts(self) -> Iterator[tuple[bytes, float]]:
        """Return key and value of each series."""
        keys = bytes(self._keys[: self._header[_KEYS_END]]).splitlines()
        return zip(keys, self._values[: len(keys)].tolist(), strict=False)

    def write_gauges(self, content: bytes) -> None:
        """Replace the gauges; by nothing if they do not fit."""
        if len(content) > _GAUGES - _LENGTH:
            content = b""
        number = self._header[_WRITTEN] + 1
        buffer = self._gauges[number % 2]
        buffer[:_LENGTH] = len(content).to_bytes(_LENGTH, "little")
        buffer[_LENGTH : _LENGTH + len(content)] = content
        self._header[_WRITTEN] = number

    def gauges(self) -> bytes:
        """Return the gauges as last written; empty if there are none."""
        for _ in range(_READ_ATTEMPTS):
            number = self._header[_WRITTEN]
            content = bytes(self._gauges[number % 2])
            if self._header[_WRITTEN] == number:
                length = int.from_bytes(content[:_LENGTH], "little")
                return content[_LENGTH : _LENGTH + length]
        return b""


class CountsMemory:
    """Slots for a number of processes, which must be forked from the one that makes this.

    Raises:
        OSError: the system refuses the memory.
    """

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, slots * _SLOT + _HEADER)
        view = memoryview(self._memory)
        self._wanted_workers = view[slots * _SLOT :].cast("Q")
        self._slots = [Slot(view[start : start + _SLOT]) for start in range(0, slots * _SLOT, _SLOT)]
        self._locks = _lock_file()
        self._own: int | None = None
        self.lost = Lost(0, 0)
        """The workers that were found lost when this process took its slot."""

    @property
    def wanted_workers(self) -> int:
        """How many workers the master keeps running, as it noted last."""
        return self._wanted_workers[0]

    @wanted_workers.setter
    def wanted_workers(self, workers: int) -> None:
        self._wanted_workers[0] = workers

    def take_slot(self) -> Slot | None:
        """Take the first free slot until this process ends; None if all are taken. Find lost workers."""
        for number, slot in enumerate(self._slots):
            if self._try_lock(number, fcntl.LOCK_EX):
                self.lost = slot.end()
                slot.take_over()
                # Wait: a reader that checks for live workers holds this lock briefly.
                fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, self._life(number))
                self._own = number
                self._find_lost()
                return slot
        return None

    def _find_lost(self) -> None:
        """Add up the workers of other slots that ended irregularly; each is found by one process only."""
        for number, slot in enumerate(self._slots):
            if number != self._own and slot.is_in_use and self._try_lock(number, fcntl.LOCK_EX):
                workers, requests = slot.end()
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, number)
                self.lost = Lost(self.lost.workers + workers, self.lost.requests + requests)

    def end(self) -> None:
        """Note that this process ends regularly, and is not lost."""
        if self._own is not None:
            self._slots[self._own].end()

    def close(self) -> None:
        """Release this process's slot."""
        self._locks.close()

    def counts(self) -> Iterator[tuple[bytes, float]]:
        """Yield key and value of every series in every slot."""
        for slot in self._slots:
            yield from slot.counts()

    def gauges(self) -> Iterator[bytes]:
        """Yield the gauges of every live process."""
        for number, slot in enumerate(self._slots):
            content = slot.gauges()
            if content and self._lives(number):
                yield content

    def _lives(self, number: int) -> bool:
        if number == self._own:
            # Locks of one process do not conflict with each other.
            return True
        # A shared lock: concurrent readers do not take each other for the owner.
        if self._try_lock(self._life(number), fcntl.LOCK_SH):
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, self._life(number))
            return False
        return True

    def _life(self, number: int) -> int:
        """Return the byte whose lock marks the gauges of a slot as those of a live worker."""
        return len(self._slots) + number

    def _try_lock(self, byte: int, kind: int) -> bool:
        try:
            fcntl.lockf(self._locks, kind | fcntl.LOCK_NB, 1, byte)
        except OSError:
            return False
        return True


_made: list[CountsMemory | None] = []


def shared_counts(workers: int) -> CountsMemory | None:
    """Return the memory of this process, made at the first call; None if the system refuses it.

    A reload of Gunicorn's configuration keeps it, because the old workers still count there.
    """
    if not _made:
        try:
            memory = CountsMemory(max(_LEAST_SLOTS, workers * _SLOTS_A_WORKER))
            memory.wanted_workers = workers
            _made.append(memory)
        except OSError:
            _made.append(None)
    return _made[0]


def _lock_file() -> BinaryIO:
    """Return an unnamed file to lock bytes of; in memory on Linux."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("marquee-metrics"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
