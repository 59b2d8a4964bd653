"""Collect the statements that a request or a test runs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

# The stage of a request that is spent on no database.
SCORING = "scoring"


class StatementRun(NamedTuple):
    """A finished or failed statement: `<database>.<query>`, and its time including the wait to run it."""

    name: str
    seconds: float


_recorders: ContextVar[tuple[list[StatementRun], ...]] = ContextVar("recorders", default=())


def record(run: StatementRun) -> None:
    """Add a statement to the collections of this context."""
    for runs in _recorders.get():
        runs.append(run)


@contextmanager
def recorded_statements(runs: list[StatementRun] | None = None) -> Iterator[list[StatementRun]]:
    """Collect the statements this context runs, in `runs` if given; may be nested."""
    runs = [] if runs is None else runs
    token = _recorders.set((*_recorders.get(), runs))
    try:
        yield runs
    finally:
        _recorders.reset(token)


def stage_seconds(runs: Iterable[StatementRun], service_s: float | None) -> dict[str, float]:
    """Return the seconds of statements by database, in their order, and the rest as `SCORING`.

    Args:
        runs: the statements.
        service_s: the seconds in which the service ran them and scored; None if it did not score.
    """
    stages: dict[str, float] = {}
    for run in runs:
        database = run.name.partition(".")[0]
        stages[database] = stages.get(database, 0.0) + run.seconds
    if service_s is not None:
        stages[SCORING] = max(0.0, service_s - sum(stages.values()))
    return stages
