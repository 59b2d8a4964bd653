"""How long a piece of work may take, handed down to whatever waits on its behalf."""

import time
from dataclasses import dataclass
from typing import Self

# By when, as shares of a request's time, each of these must have answered, lest nothing is left for the next;
# catalog_db comes last.
INDEX_SHARE, USER_DB_SHARE, ENGAGEMENT_DB_SHARE = 0.25, 0.5, 0.8


@dataclass(frozen=True, slots=True)
class Deadline:
    """A stretch of time, by the monotonic clock, in seconds."""

    started_at: float
    ends_at: float

    @classmethod
    def after(cls, seconds: float, started_at: float | None = None) -> Self:
        """One that begins now, or began at `started_at`."""
        start = time.monotonic() if started_at is None else started_at
        return cls(start, start + seconds)

    @property
    def remaining_s(self) -> float:
        """How much is left, 0 where nothing is."""
        return max(0.0, self.ends_at - time.monotonic())

    def part_of_rest(self, part: float) -> Self:
        """The first part of what is left, so that something is left to try again with."""
        return type(self)(self.started_at, time.monotonic() + part * self.remaining_s)

    def share(self, part: float) -> Self:
        """The first part of the stretch, so that something is left for what comes after."""
        return type(self)(self.started_at, self.started_at + part * (self.ends_at - self.started_at))
