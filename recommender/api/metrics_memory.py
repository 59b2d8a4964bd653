"""Memory in which the workers of one Gunicorn count, so that each can add up what all have counted.

It is made before they are forked and belongs to no file: no disk can be too full for it, and no cleaner can
remove it. A worker counts in a slot, on which it holds two locks: one says that the slot is taken, the
other, once the gauges of the worker before are gone, that its gauges are of a live worker. The kernel
releases both when the worker ends, however it ends, and the next worker goes on with the counts that it
finds there.
"""

import fcntl
import itertools
import mmap
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO

# Of a slot, in bytes. Pages are taken from the system when they are written to.
_HEADER = 4_096
_VALUES = 131_072
_GAUGES = 32_768
_KEYS = 1_896_448
_SLOT = _HEADER + _VALUES + 2 * _GAUGES + _KEYS
# The words of the header: how many bytes of keys there are, and how often gauges were written.
_KEYS_END, _WRITTEN = 0, 1
_LENGTH = 8
_READ_ATTEMPTS = 5
# More than there are workers: at a reload old and new ones live side by side, and reloads may follow quickly.
_LEAST_SLOTS = 64
_SLOTS_A_WORKER = 4


class Slot:
    """What one worker counts, and those before it have counted: floats by key; and its gauges.

    Value and key of a series have the same place, in the order in which series were opened. Gauges are
    written whole, into one of two buffers in turn, so that a reader finds one that is complete.
    """

    def __init__(self, view: memoryview) -> None:
        ends = itertools.accumulate((_HEADER, _VALUES, _GAUGES, _GAUGES, _KEYS), initial=0)
        header, values, even, odd, keys = (view[start:end] for start, end in itertools.pairwise(ends))
        self._header = header.cast("Q")
        self._values = values.cast("d")
        self._gauges = (even, odd)
        self._keys = keys
        self._places: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def take_over(self) -> None:
        """Go on with the counts that are there, and drop the gauges."""
        self._places = {key: place for place, (key, _) in enumerate(self.counts())}
        self.write_gauges(b"")

    def place(self, key: bytes) -> int | None:
        """The place of a series, opened at 0 where there is none; None where no room is left for it.

        `key`: without line breaks.
        """
        with self._lock:
            if key in self._places:
                return self._places[key]
            place, start = len(self._places), self._header[_KEYS_END]
            line = key + b"\n"
            end = start + len(line)
            if place == len(self._values) or end > len(self._keys):
                return None
            self._values[place] = 0.0
            self._keys[start:end] = line
            # Last: until then readers do not see the key, nor does the worker that follows one killed here.
            self._header[_KEYS_END] = end
            self._places[key] = place
            return place

    def add(self, place: int, amount: float) -> None:
        """Count."""
        with self._lock:
            self._values[place] += amount

    def get(self, place: int) -> float:
        """What was counted."""
        return self._values[place]

    def counts(self) -> Iterator[tuple[bytes, float]]:
        """Every key with what was counted."""
        keys = bytes(self._keys[: self._header[_KEYS_END]]).splitlines()
        return zip(keys, self._values[: len(keys)].tolist(), strict=False)

    def write_gauges(self, content: bytes) -> None:
        """Replace the gauges; by nothing, where there is no room for them."""
        if len(content) > _GAUGES - _LENGTH:
            content = b""
        number = self._header[_WRITTEN] + 1
        buffer = self._gauges[number % 2]
        buffer[:_LENGTH] = len(content).to_bytes(_LENGTH, "little")
        buffer[_LENGTH : _LENGTH + len(content)] = content
        self._header[_WRITTEN] = number

    def gauges(self) -> bytes:
        """The gauges as they were last written; empty where there are none."""
        for _ in range(_READ_ATTEMPTS):
            number = self._header[_WRITTEN]
            content = bytes(self._gauges[number % 2])
            if self._header[_WRITTEN] == number:
                length = int.from_bytes(content[:_LENGTH], "little")
                return content[_LENGTH : _LENGTH + length]
        return b""


class CountsMemory:
    """Slots for so many processes at a time, which must be forked from the one that makes this.

    Raises:
        OSError: the system does not give so much memory.
    """

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, slots * _SLOT)
        view = memoryview(self._memory)
        self._slots = [Slot(view[start : start + _SLOT]) for start in range(0, slots * _SLOT, _SLOT)]
        self._locks = _lock_file()
        self._own: int | None = None

    def take_slot(self) -> Slot | None:
        """The first free slot, for as long as this process lives; None where all are taken."""
        for number, slot in enumerate(self._slots):
            if self._try_lock(number, fcntl.LOCK_EX):
                slot.take_over()
                # Wait: a reader that looks who lives holds it for a moment.
                fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, self._life(number))
                self._own = number
                return slot
        return None

    def close(self) -> None:
        """Release this process's slot."""
        self._locks.close()

    def counts(self) -> Iterator[tuple[bytes, float]]:
        """Key and count of every series in every slot."""
        for slot in self._slots:
            yield from slot.counts()

    def gauges(self) -> Iterator[bytes]:
        """The gauges of every process that lives."""
        for number, slot in enumerate(self._slots):
            content = slot.gauges()
            if content and self._lives(number):
                yield content

    def _lives(self, number: int) -> bool:
        if number == self._own:
            # A lock keeps only others out.
            return True
        # Shared: several that look at the same time do not take one another for the owner.
        if self._try_lock(self._life(number), fcntl.LOCK_SH):
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, self._life(number))
            return False
        return True

    def _life(self, number: int) -> int:
        """The byte whose lock says that the gauges in a slot are of a live worker."""
        return len(self._slots) + number

    def _try_lock(self, byte: int, kind: int) -> bool:
        try:
            fcntl.lockf(self._locks, kind | fcntl.LOCK_NB, 1, byte)
        except OSError:
            return False
        return True


_made: list[CountsMemory | None] = []


def shared_counts(workers: int) -> CountsMemory | None:
    """Return the memory of this start, made at the first call; None where the system does not give it.

    A reload of Gunicorn's configuration keeps it: the old workers still count there.
    """
    if not _made:
        try:
            _made.append(CountsMemory(max(_LEAST_SLOTS, workers * _SLOTS_A_WORKER)))
        except OSError:
            _made.append(None)
    return _made[0]


def _lock_file() -> BinaryIO:
    """A file without a name, for locks on its bytes; on Linux in memory."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("marquee-metrics"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
