"""Return freed memory to the operating system, and tell how much this process may use.

The arrays of a large batch or of a refresh are freed, but small objects in between live on. The malloc of
glibc then keeps the memory, in an arena per thread, until it is told to return it.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

from recommender.system.background import Pause, RepeatingThread
from recommender.system.control_groups import ROOT, groups

_LOOK = Pause(least_s=5.0, most_s=5.0)
# Returning takes up to 30 ms, in which other threads may have to wait for memory.
_WORTH_RETURNING_BYTES = 32_000_000
# Sizes in pages: total, resident, and the part of it that belongs to files and shared memory.
_SIZES = Path("/proc/self/statm")
_NO_LIMIT_BYTES = 1 << 60


class FreedMemoryReturner:
    """A thread that returns freed memory when the process has grown. Does nothing without glibc and /proc."""

    def __init__(self) -> None:
        trim = _find_trim()
        self._thread = None if trim is None else RepeatingThread("memory", self.look, _LOOK.most_s)
        self._trim = trim
        self._kept_bytes = 0

    def open(self) -> None:
        """Start looking."""
        if self._thread is not None:
            self._thread.open()

    def close(self) -> None:
        """Stop looking."""
        if self._thread is not None:
            self._thread.close()

    def look(self) -> Pause:
        """Return freed memory if the process has grown since the last time; return the pause until the next.

        Raises:
            OSError: the memory of the process cannot be read.
        """
        if self._trim is not None and private_bytes() > self._kept_bytes + _WORTH_RETURNING_BYTES:
            self._trim(0)
            self._kept_bytes = private_bytes()
        else:
            self._kept_bytes = min(self._kept_bytes, private_bytes())
        return _LOOK


def limit_bytes(root: Path = ROOT) -> int | None:
    """Return how much memory the control groups of this process may use; None if there is no limit.

    Args:
        root: of the file system, where the limits are read.
    """
    limits = []
    # In version 2 of control groups, and in version 1, in which a huge number is none.
    for group in groups("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):
                limits.append(int((group / name).read_text()))
    return min((each for each in limits if each < _NO_LIMIT_BYTES), default=None)


def private_bytes() -> int:
    """Return the resident memory of the process that belongs neither to files nor to shared memory.

    Raises:
        OSError: it cannot be read.
    """
    _, resident, shared, *_ = map(int, _SIZES.read_text().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _find_trim() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim`; None with another C library or operating system."""
    if sys.platform != "linux" or not _SIZES.exists():
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
