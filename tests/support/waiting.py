"""Waits for conditions."""

import time
from collections.abc import Callable

_PATIENCE_S = 60.0
_PAUSE_S = 0.02


def eventually(check: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Return whether a condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(_PAUSE_S)
    return False


def wait_until(check: Callable[[], bool]) -> None:
    assert eventually(check, _PATIENCE_S), "it did not happen in time"
