"""What SIGTERM does before a process has a handler of its own."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_FIRST_PID = 1
# How long cleaning up may take: Docker kills after 10 s.
_LONGEST_S = 5.0


def exit_on_sigterm_if_first() -> None:
    """Let SIGTERM end the first process of a container, too: Linux ignores it there without a handler."""
    if os.getpid() == _FIRST_PID:
        signal.signal(signal.SIGTERM, _end)


@contextmanager
def unwinding_on_sigterm() -> Iterator[None]:
    """Exit on SIGTERM by an exception, so that what is under way is cleaned up."""
    before = signal.signal(signal.SIGTERM, _unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: FrameType | None = None) -> None:
    # Python ignores exceptions in some places, such as callbacks of the garbage collector.
    os._exit(128 + number)


def _unwind(number: int, _frame: FrameType | None) -> None:
    late = threading.Timer(_LONGEST_S, _end, (number,))
    late.daemon = True
    late.start()
    sys.exit(128 + number)
