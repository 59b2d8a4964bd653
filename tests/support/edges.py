"""Keeps what the tests' data hold away from the edges of windows, which move while tests run."""

from datetime import datetime, timedelta
from typing import Any

_TESTS_TAKE = timedelta(hours=2)


def off_the_edges(at: Any, now: datetime) -> Any:
    """A moment, or none; later, where it would fall out of a window while the tests run."""
    if at is None:
        return None
    for days in (7, 30, 90):
        if timedelta() <= at - (now - timedelta(days=days)) < _TESTS_TAKE:
            return at + _TESTS_TAKE
    return at
