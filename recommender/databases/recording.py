"""Collects the statements that are run on behalf of a request, or of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class StatementRun(NamedTuple):
    """A statement that was run, well or not: `<database>.<query>`, and its time with the wait to run it."""

    name: str
    seconds: float


_recorders: ContextVar[tuple[list[StatementRun], ...]] = ContextVar("recorders", default=())


def record(run: StatementRun) -> None:
    """Tell of a statement to what collects in this context."""
    for runs in _recorders.get():
        runs.append(run)


@contextmanager
def recorded_statements(runs: list[StatementRun] | None = None) -> Iterator[list[StatementRun]]:
    """Collect every statement this context runs, in `runs` if given; may be nested."""
    runs = [] if runs is None else runs
    token = _recorders.set((*_recorders.get(), runs))
    try:
        yield runs
    finally:
        _recorders.reset(token)
