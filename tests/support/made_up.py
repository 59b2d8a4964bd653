"""The size and time of the tests' made-up data."""

from datetime import datetime, timedelta
from typing import Any

from recommender.demo.generate import DemoSize

# Some data of every kind, with more invalid rows than real databases have. It reaches back further than the
# window, so that rows outside of the window must be left out.
SMALL = DemoSize(
    items=160,
    users=280,
    interactions=7_000,
    days=120,
    deleted_items=0.06,
    vanished_items=0.05,
    users_without_preferences=0.12,
    users_without_history=0.08,
    repeated_interactions=0.15,
    null_values=0.05,
    null_timestamps=0.03,
)

_TESTS_TAKE = timedelta(hours=2)


def off_the_edges(at: Any, now: datetime) -> Any:
    """Return a moment (None stays None), moved if it would leave a window while the tests run."""
    if at is None:
        return None
    for days in (7, 30, 90):
        if timedelta() <= at - (now - timedelta(days=days)) < _TESTS_TAKE:
            return at + _TESTS_TAKE
    return at
