"""The figures of a run, by size, server and measure."""

from dataclasses import asdict, dataclass, field
from typing import Any

import click

from benchmarks.load import Timing

# Live SQL with caps, on data for which the default is none.
CAPPED = "live, capped"


def get_measure(clients: int) -> str:
    """Return the name of the timing of GETs by a number of clients at a time."""
    return f"GET, {clients} client{'s' * (clients > 1)}"


def batch_measure(users: int) -> str:
    """Return the name of the rate of users in batches of this many."""
    return f"POST {users}, users/s"


def first_get_measure(event: str) -> str:
    """Return the name of the ratio of the first GET after an event to the median GET."""
    return f"first GET after {event}, of the median"


@dataclass(slots=True)
class Results:
    """Figures by size and server, and by measure. `best_model`: by evaluation, of those measured."""

    machine: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    best_model: str | None = None

    def note(self, interactions: int, server: str, measure_name: str, value: object) -> None:
        """Keep one figure, and show it at once."""
        key = f"{interactions} {server}"
        self.figures.setdefault(key, {})[measure_name] = asdict(value) if isinstance(value, Timing) else value
        click.echo(f"  {key}: {measure_name}: {_short(value)}", err=True)


def _short(value: object) -> str:
    if isinstance(value, Timing):
        return (
            f"median {value.median_ms:.1f} ms, p95 {value.p95_ms:.1f}, p99 {value.p99_ms:.1f}, "
            f"{value.per_second:.0f} a second ({value.requests} requests)"
        )
    return f"{value:.1f}" if isinstance(value, float) else str(value)
