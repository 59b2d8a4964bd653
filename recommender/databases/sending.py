"""Statements that are sent before their rows are needed, and results that are known already."""

from collections.abc import Callable
from typing import Generic, NamedTuple, NoReturn, TypeVar

from recommender.errors import DatabaseUnavailableError

T = TypeVar("T")


class Sent(NamedTuple, Generic[T]):
    """Receives the rows of a statement. `seconds`: how long sending it took."""

    receive: Callable[[], T]
    seconds: float


def settled(fetch: Callable[[], T]) -> Callable[[], T]:
    """Fetch at once; return a function that returns the result or raises the error."""
    try:
        result = fetch()
    except DatabaseUnavailableError as exc:
        return raising(exc)
    return lambda: result


def raising(error: Exception) -> Callable[[], NoReturn]:
    """Return a function that raises an error."""

    def fail() -> NoReturn:
        raise error

    return fail
