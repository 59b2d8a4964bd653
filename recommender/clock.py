"""The moment of answers: the present, or a past moment for a replay."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_LEAST = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """Tell the time, and up to when interactions are read.

    `stopped_at`: the replayed moment, with or without a time zone; naive is UTC. None for the present.
    """

    stopped_at: datetime | None = None

    def now(self) -> datetime:
        """Return the moment of answers, in UTC."""
        if self.stopped_at is None:
            return datetime.now(UTC)
        if self.stopped_at.tzinfo is None:
            return self.stopped_at.replace(tzinfo=UTC)
        return self.stopped_at.astimezone(UTC)

    @property
    def moment(self) -> str:
        """The moment as text for SQL: naive UTC."""
        return self.now().replace(tzinfo=None).isoformat()

    @property
    def known_until(self) -> str:
        """The latest time of interactions that are read, as text for SQL: naive UTC.

        It is the last microsecond before a past moment, and `infinity` for the present: the statements
        themselves leave out interactions too far in the future.
        """
        if self.stopped_at is None:
            return "infinity"
        return (self.now() - _LEAST).replace(tzinfo=None).isoformat()


PRESENT = Clock()
