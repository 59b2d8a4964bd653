"""Defines the metrics with their labels and buckets.

prometheus_client shares counts between processes only through a folder of files, one for each metric type
and process. This is not used: a full disk kills workers (SIGBUS in the mapped file), files of ended
processes stay and are read at each scrape, and the folder must be writable and set in the environment before
the first import. Workers share memory instead (metrics_memory).
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from recommender.api.errors import BreakOff
from recommender.api.metrics_memory import CountsMemory, Slot
from recommender.api.metrics_merging import merge_counts, merge_gauges, pack_series
from recommender.entities import DatabaseName, Strategy
from recommender.models.names import LIVE

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ERRORS = (HTTPStatus.INTERNAL_SERVER_ERROR.value, HTTPStatus.SERVICE_UNAVAILABLE.value)
# Gauges that are not summed over workers: the worst value counts.
_WORST: Mapping[str, Callable[[list[float]], float]] = {
    "marquee_catalogue_index_age_seconds": max,
    "marquee_catalogue_index_media": min,
    "marquee_popularity_age_seconds": max,
    "marquee_catalogue_held_back": max,
    "marquee_model_age_seconds": max,
    "marquee_training_last_success_timestamp_seconds": max,
    "marquee_training_failed": max,
    "marquee_training_running": max,
    "marquee_training_blocked": max,
    "marquee_workers_wanted": max,
}


class _Requests:
    """Metrics of requests. Series are cached, because a look-up costs as much as counting."""

    def __init__(self, registry: CollectorRegistry, gauges: CollectorRegistry) -> None:
        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=_BUCKETS_S, registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        duration = histogram(
            "marquee_request_duration_seconds",
            "Time until an answer was made, and for streams and answers over 256 KiB until it was sent",
            "endpoint",
            "status",
        )
        stages = histogram(
            "marquee_stage_duration_seconds",
            "Time a request spent in each database, in scoring, and in making JSON",
            "stage",
        )
        answers = counter(
            "marquee_answers_total", "Users answered, by strategy and model", "strategy", "model"
        )
        degraded = counter(
            "marquee_degraded_answers_total", "Users answered without data of a database", "database"
        )
        variants = counter(
            "marquee_variant_answers_total",
            "Users answered who are in an experiment, by variant",
            "experiment",
            "variant",
        )
        self.duration = functools.cache(duration.labels)
        self.stages = functools.cache(stages.labels)
        self.answers = functools.cache(answers.labels)
        self.degraded = functools.cache(degraded.labels)
        self.variants = functools.cache(variants.labels)
        self.in_flight = Gauge("marquee_requests_in_flight", "Requests being answered", registry=gauges)
        self.filled_up = counter("marquee_filled_up_items_total", "Media returned with all scores 0")
        self.empty = counter("marquee_empty_answers_total", "Users whose first page was empty")
        broken_off = counter(
            "marquee_streams_broken_off_total", "Streams that ended before their last user", "reason"
        )
        self.broken_off = functools.cache(broken_off.labels)
        # Open these series at 0: rate() misses the first event of a series that begins at 1.
        for strategy in Strategy:
            self.answers(strategy, LIVE)
        for name in DatabaseName:
            self.degraded(name)
        for reason in BreakOff:
            self.broken_off(reason.label)


class _Workers:
    """Metrics of the worker processes."""

    def __init__(self, registry: CollectorRegistry, gauges: CollectorRegistry) -> None:
        self.by_status = Gauge(
            "marquee_workers", "Worker processes by their answer of /ready", ["status"], registry=gauges
        )
        self.wanted = Gauge("marquee_workers_wanted", "Worker processes that should run", registry=gauges)
        self.lost = Counter(
            "marquee_workers_lost_total", "Worker processes that were killed or crashed", registry=registry
        )
        self.lost_requests = Counter(
            "marquee_requests_lost_total",
            "Requests that got no answer because their worker was killed or crashed",
            registry=registry,
        )


class _Pools:
    """Metrics of psycopg_pool; `pool` is `requests`, or `catalogue` for loading the index."""

    def __init__(self, registry: CollectorRegistry, gauges: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, ["database", "pool"], registry=gauges)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, ["database", "pool"], registry=registry)

        self.max_size = gauge("marquee_pool_max_size", "Connections that may be opened")
        self.size = gauge("marquee_pool_size", "Connections open or being opened")
        self.in_use = gauge("marquee_pool_in_use", "Connections in use or being opened")
        self.available = gauge("marquee_pool_available", "Idle connections")
        self.waiting = gauge("marquee_pool_waiting", "Requests waiting for a connection")
        self.waited = counter("marquee_pool_wait_seconds_total", "Time spent waiting for connections")
        self.refused = counter("marquee_pool_timeouts_total", "Requests that got no connection in time")
        self.errors = counter("marquee_pool_connection_errors_total", "Attempts to connect that failed")


class _State:
    """State of databases, catalog index and model, as the workers see them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        self.databases = gauge(
            "marquee_database_state", "Workers by the state in which they see a database", "database", "state"
        )
        self.index_age = gauge(
            "marquee_catalogue_index_age_seconds",
            "Age of the oldest catalog index of the workers; 0 if none is loaded",
        )
        self.popularity_age = gauge(
            "marquee_popularity_age_seconds",
            "Time since popularity was counted, else since the start; the longest of the workers",
        )
        self.index_items = gauge(
            "marquee_catalogue_index_media", "Media in the smallest catalog index of the workers"
        )
        self.held_back = gauge(
            "marquee_catalogue_held_back",
            "1 if a load of the catalog is not used because too much is missing, else 0",
        )
        self.model_age = gauge(
            "marquee_model_age_seconds", "Time since the model was trained; 0 for live SQL"
        )
        self.model = gauge(
            "marquee_model_info", "Workers by the model version that they answer with", "model", "version"
        )
        # `model` is MODEL, or what an experiment names.
        self.refused = gauge(
            "marquee_model_refused", "Workers that do not use the published version of a model", "model"
        )
        self.missing = gauge(
            "marquee_model_missing",
            "Workers that want a trained model and find no published version",
            "model",
        )


class _Training:
    """State of training, read from the folder of models."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, registry=registry)

        self.last_success = gauge(
            "marquee_training_last_success_timestamp_seconds",
            "Time at which training last published a model, in seconds since 1970; 0 if never",
        )
        self.failed = gauge("marquee_training_failed", "1 if the last training failed, else 0")
        self.running = gauge("marquee_training_running", "1 while a training runs, else 0")
        self.blocked = gauge(
            "marquee_training_blocked",
            "1 if training is enabled, but no trainer can run or write MODEL_PATH, else 0",
        )


class Series:
    """All metrics of a process, counted in a slot of shared memory if it has one.

    `rules`: the endpoints whose server errors are opened at 0.
    """

    def __init__(self, slot: Slot | None, rules: Iterable[str] = ()) -> None:
        # prometheus_client reads this class each time that it opens a series.
        values.ValueClass = values.MutexValue if slot is None else functools.partial(_open_value, slot)
        self.counts = CollectorRegistry()
        self.gauges = CollectorRegistry()
        self.requests = _Requests(self.counts, self.gauges)
        self.workers = _Workers(self.counts, self.gauges)
        self.pools = _Pools(self.counts, self.gauges)
        self.state = _State(self.gauges)
        self.training = _Training(self.gauges)
        for rule, status in itertools.product(rules, _ERRORS):
            self.requests.duration(rule, status)
        # Names, types and help texts, without samples.
        self.families = [
            Metric(each.name, each.documentation, each.type)
            for registry in (self.counts, self.gauges)
            for each in registry.collect()
        ]


class _SharedValue(values.MutexValue):
    """A value in shared memory."""

    def __init__(self, slot: Slot, idx: int, *parameters: object) -> None:
        super().__init__(*parameters)  # type: ignore[no-untyped-call]  # ships few types
        self._slot = slot
        self._idx = idx

    def inc(self, amount: float) -> None:
        self._slot.add(self._idx, amount)

    def get(self) -> float:
        return self._slot.get(self._idx)


def _open_value(slot: Slot, kind: str, *parameters: Any, **mode: str) -> values.MutexValue:
    """Return a value of the slot; for a gauge, or if the slot is full, one of this process only."""
    family, name, label_names, label_values, _ = parameters
    idx = None
    if kind != "gauge":
        idx = slot.series_idx(pack_series(family, name, dict(zip(label_names, label_values, strict=True))))
    if idx is None:
        return values.MutexValue(kind, *parameters, **mode)  # type: ignore[no-untyped-call]  # ships few types
    return _SharedValue(slot, idx, kind, *parameters)


class WorkersCollector(Collector):
    """Collects the summed counts of all workers, and the merged gauges of live ones."""

    def __init__(self, families: Iterable[Metric], memory: CountsMemory) -> None:
        self._families = families
        self._memory = memory

    def collect(self) -> Iterable[Metric]:
        """Return the metrics that have samples."""
        families = {each.name: Metric(each.name, each.documentation, each.type) for each in self._families}
        merged = (*merge_counts(self._memory.counts()), *merge_gauges(self._memory.gauges(), _WORST))
        for family, name, labels, value in merged:
            if family in families:
                families[family].add_sample(name, labels, value)
        return [family for family in families.values() if family.samples]
