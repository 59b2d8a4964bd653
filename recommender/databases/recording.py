"""Collect the statements that a request or a test runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


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
