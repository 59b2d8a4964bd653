"""Prometheus: what is counted, and GET /metrics. The only module that knows its client.

Under Gunicorn each worker counts in memory that it shares with the others, and whichever is asked adds up
what all have counted. Elsewhere there is one process, which counts for itself.
"""

import functools
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from config.access_settings import Scope
from recommender.api.endpoints import Answer, Endpoint
from recommender.api.metrics_memory import CountsMemory, Slot, shared_counts
from recommender.api.metrics_merging import merge_counts, merge_gauges, pack_gauges, pack_series
from recommender.api.tags import SERVICE
from recommender.background import Pause, RepeatingThread
from recommender.entities import DatabaseName, DatabaseState, Strategy
from recommender.models.base import LIVE
from recommender.serving.status import Readiness, Status
from recommender.telemetry import Tally
from recommender.trainer.state import TrainingState

logger = logging.getLogger(__name__)

PoolStats = Callable[[], Mapping[str, int]]

_SAMPLE_S = 1.0
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Of gauges that are no sums over workers: the worst of them.
_WORST: Mapping[str, Callable[[list[float]], float]] = {
    "marquee_catalogue_index_age_seconds": max,
    "marquee_catalogue_index_media": min,
    "marquee_catalogue_held_back": max,
    "marquee_model_age_seconds": max,
    "marquee_training_last_success_timestamp_seconds": max,
    "marquee_training_failed": max,
    "marquee_training_running": max,
    "marquee_training_blocked": max,
}
_EXCERPT = (
    "# HELP marquee_requests_in_flight Requests being answered\n"
    "# TYPE marquee_requests_in_flight gauge\n"
    "marquee_requests_in_flight 1.0\n"
)


class _Requests:
    """What requests leave behind; series are looked up in a cache, as finding them costs like counting."""

    def __init__(self, registry: CollectorRegistry, gauges: CollectorRegistry) -> None:
        self.duration = functools.cache(
            Histogram(
                "marquee_request_duration_seconds",
                "From the first look at a request to the last byte of its answer",
                ["endpoint", "status"],
                buckets=_BUCKETS_S,
                registry=registry,
            ).labels
        )
        self.stages = functools.cache(
            Histogram(
                "marquee_stage_duration_seconds",
                "Time a request spent in each database, in scoring, and in making JSON",
                ["stage"],
                buckets=_BUCKETS_S,
                registry=registry,
            ).labels
        )
        self.in_flight = Gauge("marquee_requests_in_flight", "Requests being answered", registry=gauges)
        self.answers = functools.cache(
            Counter(
                "marquee_answers_total",
                "Users answered, by what the ranking rests on and by model",
                ["strategy", "model"],
                registry=registry,
            ).labels
        )
        self.degraded = functools.cache(
            Counter(
                "marquee_degraded_answers_total",
                "Users answered without a database",
                ["database"],
                registry=registry,
            ).labels
        )
        self.variants = functools.cache(
            Counter(
                "marquee_variant_answers_total",
                "Users answered who are in an experiment, by its variant",
                ["experiment", "variant"],
                registry=registry,
            ).labels
        )
        self.filled_up = Counter(
            "marquee_filled_up_items_total", "Media given with all scores 0", registry=registry
        )
        self.empty = Counter(
            "marquee_empty_answers_total", "Users whose first page had nothing on it", registry=registry
        )
        # Series that begin at 0: of one that begins at 1, rate() would miss the first.
        for strategy in Strategy:
            self.answers(strategy, LIVE)
        for name in DatabaseName:
            self.degraded(name)


class _Pools:
    """What psycopg_pool counts; `pool` is `requests`, or `catalogue` for the one that loads the index."""

    def __init__(self, registry: CollectorRegistry, gauges: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"marquee_pool_{name}", text, ["database", "pool"], registry=gauges)

        def counter(name: str, text: str) -> Counter:
            return Counter(f"marquee_pool_{name}", text, ["database", "pool"], registry=registry)

        self.max_size = gauge("max_size", "Connections that may be opened")
        self.size = gauge("size", "Connections open or being opened")
        self.in_use = gauge("in_use", "Connections lent out or being opened")
        self.available = gauge("available", "Connections waiting for work")
        self.waiting = gauge("waiting", "Requests waiting for a connection")
        self.waited = counter("wait_seconds_total", "Time spent waiting for connections")
        self.refused = counter("timeouts_total", "Requests that got no connection in time")
        self.errors = counter("connection_errors_total", "Attempts to connect that failed")


class _State:
    """What the workers know of databases, catalog index and model."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.workers = Gauge(
            "marquee_workers",
            "Worker processes by what /ready says in them",
            ["status"],
            registry=registry,
        )
        self.databases = Gauge(
            "marquee_database_state",
            "Workers that find a database in a state",
            ["database", "state"],
            registry=registry,
        )
        self.index_age = Gauge(
            "marquee_catalogue_index_age_seconds",
            "Age of the oldest worker's catalog index; 0 where none is loaded",
            registry=registry,
        )
        self.index_media = Gauge(
            "marquee_catalogue_index_media",
            "Media in the smallest worker's catalog index",
            registry=registry,
        )
        self.held_back = Gauge(
            "marquee_catalogue_held_back",
            "1 where a load of the catalog lacks too much to be used, else 0",
            registry=registry,
        )
        self.model_age = Gauge(
            "marquee_model_age_seconds",
            "Time since the model was built; 0 for live SQL, which is not built",
            registry=registry,
        )
        self.model = Gauge(
            "marquee_model_info",
            "Workers that answer with a model of a version",
            ["model", "version"],
            registry=registry,
        )


class _Training:
    """What the folder of the models says of training."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.last_success = Gauge(
            "marquee_training_last_success_timestamp_seconds",
            "When a training last published a model, in seconds since 1970; 0 where none has",
            registry=registry,
        )
        self.failed = Gauge(
            "marquee_training_failed", "1 where the last training failed, else 0", registry=registry
        )
        self.running = Gauge("marquee_training_running", "1 while a training runs, else 0", registry=registry)
        self.blocked = Gauge(
            "marquee_training_blocked",
            "1 where a trainer is wanted and MODEL_PATH cannot be written, else 0",
            registry=registry,
        )


class _Series:
    """All of them, once a process; in a slot of memory where it shares one with others."""

    def __init__(self, slot: Slot | None) -> None:
        # Where the client looks it up, each time that a series is opened.
        values.ValueClass = values.MutexValue if slot is None else functools.partial(_open_value, slot)
        self.counts = CollectorRegistry()
        self.gauges = CollectorRegistry()
        self.requests = _Requests(self.counts, self.gauges)
        self.pools = _Pools(self.counts, self.gauges)
        self.state = _State(self.gauges)
        self.training = _Training(self.gauges)
        # What they are, without samples.
        self.families = [
            Metric(each.name, each.documentation, each.type)
            for registry in (self.counts, self.gauges)
            for each in registry.collect()
        ]


class _SharedValue(values.MutexValue):
    """A value that other processes see."""

    def __init__(self, slot: Slot, place: int, *parameters: object) -> None:
        super().__init__(*parameters)  # type: ignore[no-untyped-call]  # ships few types
        self._slot = slot
        self._place = place

    def inc(self, amount: float) -> None:
        self._slot.add(self._place, amount)

    def get(self) -> float:
        return self._slot.get(self._place)


def _open_value(slot: Slot, kind: str, *parameters: Any, **mode: str) -> values.MutexValue:
    """What the client counts in: in the slot, but for gauges and for series that it has no room for."""
    family, name, label_names, label_values, _ = parameters
    place = None
    if kind != "gauge":
        place = slot.place(pack_series(family, name, dict(zip(label_names, label_values, strict=True))))
    if place is None:
        return values.MutexValue(kind, *parameters, **mode)  # type: ignore[no-untyped-call]  # ships few types
    return _SharedValue(slot, place, kind, *parameters)


class _WorkersCollector(Collector):
    """Adds up what all workers have counted, and puts together the gauges of those that live."""

    def __init__(self, families: Iterable[Metric], memory: CountsMemory) -> None:
        self._families = families
        self._memory = memory

    def collect(self) -> Iterable[Metric]:
        """Every metric that there is a sample of."""
        families = {each.name: Metric(each.name, each.documentation, each.type) for each in self._families}
        merged = (*merge_counts(self._memory.counts()), *merge_gauges(self._memory.gauges(), _WORST))
        for family, name, labels, value in merged:
            if family in families:
                families[family].add_sample(name, labels, value)
        return [family for family in families.values() if family.samples]


class Metrics:
    """Counts requests as they end, and samples the rest every second, in a thread of its own."""

    def __init__(
        self,
        read_status: Callable[[], Status],
        read_training: Callable[[], TrainingState],
        pools: Mapping[tuple[DatabaseName, str], PoolStats],
    ) -> None:
        self._read_status = read_status
        self._read_training = read_training
        self._pools = pools
        self._memory: CountsMemory | None = None
        self._slot: Slot | None = None
        self._made: _Series | None = None
        self._making = threading.Lock()
        self._flying = threading.Lock()
        self._in_flight = 0
        self._sampling = threading.Lock()
        self._counted: dict[tuple[DatabaseName, str, str], int] = {}
        self._model = ("", "")
        self._thread = RepeatingThread("metrics", self._sample_now_and_then, _SAMPLE_S)

    @property
    def _series(self) -> _Series:
        """Made on first use, after the fork: Gunicorn's master only tries the app out, and does not count."""
        return self._make_series() if self._made is None else self._made

    def _make_series(self) -> _Series:
        with self._making:
            if self._made is None:
                self._made = _Series(self._slot)
            return self._made

    @staticmethod
    def shared_counts(workers: int) -> CountsMemory | None:
        """Return the memory for `share`, made before the fork; None where the system does not give it."""
        return shared_counts(workers)

    def share(self, memory: CountsMemory) -> None:
        """Count together with the other processes that share a memory; before `open`."""
        self._memory = memory
        self._slot = memory.take_slot()
        if self._slot is None:
            logger.warning(
                "metrics: more workers than there are places for; what this one does is not counted"
            )

    def open(self) -> None:
        """Start sampling in the background."""
        self._thread.open()

    def close(self) -> None:
        """Stop sampling."""
        self._thread.close()

    def request_begins(self) -> None:
        """Count a request in flight."""
        with self._flying:
            self._in_flight += 1

    def request_ends(self, endpoint: str, status: int, seconds: float, stages: Mapping[str, float]) -> None:
        """Count a request that is over; `stages` are seconds by name."""
        requests = self._series.requests
        with self._flying:
            self._in_flight -= 1
        requests.duration(endpoint, status).observe(seconds)
        for name, stage_seconds in stages.items():
            requests.stages(name).observe(stage_seconds)

    def answered(self, tally: Tally) -> None:
        """Count a request's answers to users."""
        requests = self._series.requests
        for (strategy, model), users in tally.models.items():
            requests.answers(strategy, model).inc(users)
        for name, users in tally.degraded.items():
            requests.degraded(name).inc(users)
        for (experiment, variant), users in tally.variants.items():
            requests.variants(experiment, variant).inc(users)
        if tally.filled_up:
            requests.filled_up.inc(tally.filled_up)
        if tally.empty:
            requests.empty.inc(tally.empty)

    def render(self) -> bytes:
        """Everything in Prometheus' text format, of all workers."""
        self._sample()
        series = self._series
        if self._memory is None:
            return generate_latest(series.counts) + generate_latest(series.gauges)
        return generate_latest(_WorkersCollector(series.families, self._memory))

    def _sample_now_and_then(self) -> Pause:
        self._sample()
        return Pause(_SAMPLE_S, _SAMPLE_S)

    def _sample(self) -> None:
        with self._sampling:
            self._series.requests.in_flight.set(self._in_flight)
            self._sample_state(self._read_status())
            self._sample_training(self._read_training())
            for (name, pool), stats in self._pools.items():
                self._sample_pool(name, pool, stats())
            if self._slot is not None:
                samples = (sample for each in self._series.gauges.collect() for sample in each.samples)
                self._slot.write_gauges(pack_gauges((each.name, each.labels, each.value) for each in samples))

    def _sample_state(self, status: Status) -> None:
        state = self._series.state
        for readiness in Readiness:
            state.workers.labels(readiness).set(readiness is status.readiness)
        for name, found in status.databases.items():
            for each in DatabaseState:
                state.databases.labels(name, each).set(each is found)
        if status.catalog is not None:
            state.index_age.set(status.catalog.age_s)
            state.index_media.set(status.catalog.media)
            state.held_back.set(status.catalog.held_back is not None)
        model = (status.model.name, status.model.version or "")
        if model != self._model and self._model[0]:
            state.model.remove(*self._model)
        self._model = model
        state.model.labels(*model).set(1)
        state.model_age.set(status.model.age_s or 0)

    def _sample_training(self, found: TrainingState) -> None:
        training = self._series.training
        training.last_success.set(found.last_success)
        training.failed.set(found.failed)
        training.running.set(found.running)
        training.blocked.set(found.blocked)

    def _sample_pool(self, name: DatabaseName, pool: str, stats: Mapping[str, int]) -> None:
        series = self._series.pools
        size, available = stats["pool_size"], stats["pool_available"]
        series.max_size.labels(name, pool).set(stats["pool_max"])
        series.size.labels(name, pool).set(size)
        series.available.labels(name, pool).set(available)
        series.in_use.labels(name, pool).set(size - available)
        series.waiting.labels(name, pool).set(stats["requests_waiting"])
        for counter, key, unit in (
            (series.waited, "requests_wait_ms", 0.001),
            (series.refused, "requests_errors", 1),
            (series.errors, "connections_errors", 1),
        ):
            total = stats.get(key, 0)
            counter.labels(name, pool).inc((total - self._counted.get((name, pool, key), 0)) * unit)
            self._counted[name, pool, key] = total


def metrics_blueprint(metrics: Metrics) -> Blueprint:
    """The endpoint that Prometheus scrapes."""
    blueprint = Blueprint("metrics", __name__)

    @Endpoint(
        blueprint,
        "GET",
        "/metrics",
        name="getMetrics",
        tag=SERVICE,
        summary="Metrics for Prometheus",
        description="Of all workers together.",
        answers=(Answer({"type": "string"}, {"excerpt": _EXCERPT}, content_type="text/plain"),),
        scope=Scope.OPS,
    )
    def get_metrics() -> Response:
        return Response(metrics.render(), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return blueprint
