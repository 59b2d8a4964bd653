"""What is counted and measured: the metrics, their labels and their buckets.

prometheus_client can share counts between processes only through a folder of files, one a metric type and
process. It is not used, because a full disk then kills workers (SIGBUS in the mapped file), the files of
processes that have ended stay and are read at each scrape, and the folder has to be writable and named in the
environment before the first import. Workers share memory instead (metrics_memory), which has none of these.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from recommender.api.metrics_memory import CountsMemory, Slot
from recommender.api.metrics_merging import merge_counts, merge_gauges, pack_series
from recommender.entities import DatabaseName, Strategy
from recommender.models.base import LIVE

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


class Series:
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


class WorkersCollector(Collector):
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
