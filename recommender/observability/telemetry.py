"""Collects measurements of a request beside its results: seconds by stage, and counts of answers."""

import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType

from recommender.entities import DatabaseName, Recommendation, Strategy, UserRecommendations, VariantName

# Stages: making results, statements included; and making JSON of them.
SERVICE_STAGE = "service"
JSON_STAGE = "json"


@dataclass(slots=True)
class Tally:
    """Counts of the answers of one request.

    `degraded`: answers without the data of a database. `empty`: empty first pages. `filled_up`: items with
    all scores 0. `variants`: answers by experiment variant. `models`: answers by strategy and model.
    `model`, `model_version`: of the last answer.
    """

    strategies: dict[Strategy, int] = field(default_factory=dict)
    degraded: dict[DatabaseName, int] = field(default_factory=dict)
    empty: int = 0
    filled_up: int = 0
    model: str | None = None
    model_version: str | None = None
    variants: dict[VariantName, int] = field(default_factory=dict)
    models: dict[tuple[Strategy, str], int] = field(default_factory=dict)

    def add(self, result: UserRecommendations, *, first_page: bool) -> None:
        """Count one user's answer."""
        self.strategies[result.strategy] = self.strategies.get(result.strategy, 0) + 1
        for name in result.degraded:
            self.degraded[name] = self.degraded.get(name, 0) + 1
        self.empty += first_page and not result.items
        self.filled_up += sum(map(_is_filler, result.items))
        key = (result.strategy, result.model)
        self.models[key] = self.models.get(key, 0) + 1
        for variant in result.variants:
            self.variants[variant] = self.variants.get(variant, 0) + 1
        self.model = result.model
        self.model_version = result.model_version


def _is_filler(item: Recommendation) -> bool:
    return not (item.recommendation_score or item.content_score or item.collaborative_score)


@dataclass(slots=True)
class Trace:
    """The measurements of one request.

    `stages`: seconds by SERVICE_STAGE and JSON_STAGE. `broken_off`: why a stream ended before its last user.
    """

    request_id: str
    stages: dict[str, float] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    broken_off: str | None = None


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current_trace() -> Trace | None:
    """Return the trace of the current request, if there is one."""
    return _current.get()


class traced:  # noqa: N801 - a context manager; as a class it costs a third of a decorated generator
    """Make `trace` the current one."""

    __slots__ = ("_token", "_trace")

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __enter__(self) -> None:
        self._token = _current.set(self._trace)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _current.reset(self._token)


class stage:  # noqa: N801 - as above
    """Add the time spent inside to a stage of the request, if there is one."""

    __slots__ = ("_name", "_started")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        add_seconds(self._name, time.perf_counter() - self._started)


def add_seconds(name: str, seconds: float) -> None:
    """Add time to a stage of the request, if there is one. Call it from the thread of the request only."""
    trace = _current.get()
    if trace is not None:
        trace.stages[name] = trace.stages.get(name, 0.0) + seconds


def count(result: UserRecommendations, *, first_page: bool) -> None:
    """Count one user's answer for the request, if there is one."""
    trace = _current.get()
    if trace is not None:
        trace.tally.add(result, first_page=first_page)


def counted(results: Iterator[UserRecommendations]) -> Iterator[UserRecommendations]:
    """Yield first pages, counting each."""
    for result in results:
        count(result, first_page=True)
        yield result
