"""The size of the tests' made-up data, and their place in time."""

from datetime import datetime, timedelta
from typing import Any

from recommender.demo.generate import DemoSize

# A little of everything, and more dirt than any real database has. The data reaches back further than the
# window, so that what lies outside of it has to be left out.
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
    """A moment, or none; later, where it would fall out of a window while the tests run."""
    if at is None:
        return None
    for days in (7, 30, 90):
        if timedelta() <= at - (now - timedelta(days=days)) < _TESTS_TAKE:
            return at + _TESTS_TAKE
    return at
