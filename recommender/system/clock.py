"""The moment of answers: the present, or a past moment for a replay."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST = timedelta(microseconds=1)


def utc_now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(UTC)


def iso_of(seconds: float) -> str | None:
    """Return seconds since 1970 UTC as ISO 8601; None outside of the years 1 to 9999."""
    try:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class Clock:
    """Tell the time, and up to when interactions are read.

    `stopped_at`: the replayed moment, with or without a time zone; naive is UTC. None for the present.
    """

    stopped_at: datetime | None = None

    def now(self) -> datetime:
        """Return the moment of answers, in UTC."""
        if self.stopped_at is None:
            return utc_now()
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
