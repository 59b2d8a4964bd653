"""The moment that answers are given at: the present one, or a past one that is served again."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_LEAST = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells the parts of a service what time it is, and which interactions there are at that time.

    `stopped_at`: the past moment that is served, naive or of any time zone; naive is UTC. None for the
    present, which goes on.
    """

    stopped_at: datetime | None = None

    def now(self) -> datetime:
        """Return the moment to answer at, in UTC."""
        if self.stopped_at is None:
            return datetime.now(UTC)
        if self.stopped_at.tzinfo is None:
            return self.stopped_at.replace(tzinfo=UTC)
        return self.stopped_at.astimezone(UTC)

    @property
    def moment(self) -> str:
        """The moment as SQL takes it: naive UTC."""
        return self.now().replace(tzinfo=None).isoformat()

    @property
    def known_until(self) -> str:
        """The latest time of an interaction that is read, as SQL takes it: naive UTC.

        It is the last microsecond before a past moment, and `infinity` for the present: what is too far ahead
        of it, the statements themselves leave out.
        """
        if self.stopped_at is None:
            return "infinity"
        return (self.now() - _LEAST).replace(tzinfo=None).isoformat()


PRESENT = Clock()
