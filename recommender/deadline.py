"""Deadlines, which every wait of a piece of work observes."""

import time
from dataclasses import dataclass
from typing import Self

# Shares of a request's time by which each of these must have answered, so that time is left for the next.
# catalog_db comes last.
INDEX_SHARE, USER_DB_SHARE, ENGAGEMENT_DB_SHARE = 0.25, 0.5, 0.8


@dataclass(frozen=True, slots=True)
class Deadline:
    """A period of time by the monotonic clock, in seconds."""

    started_at: float
    ends_at: float

    @classmethod
    def after(cls, seconds: float, started_at: float | None = None) -> Self:
        """Return a deadline after `seconds` from now, or from `started_at`."""
        start = time.monotonic() if started_at is None else started_at
        return cls(start, start + seconds)

    @property
    def remaining_s(self) -> float:
        """The remaining seconds, at least 0."""
        return max(0.0, self.ends_at - time.monotonic())

    def part_of_rest(self, part: float) -> Self:
        """Return a deadline after a share of the remaining time, so that time is left for a retry."""
        return type(self)(self.started_at, time.monotonic() + part * self.remaining_s)

    def later_by(self, seconds: float) -> Self:
        """Return a period of the same length that begins `seconds` later."""
        return type(self)(self.started_at + seconds, self.ends_at + seconds)

    def share(self, part: float) -> Self:
        """Return a deadline after a share of the whole period, so that time is left for later steps."""
        return type(self)(self.started_at, self.started_at + part * (self.ends_at - self.started_at))
