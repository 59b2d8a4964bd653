"""GET /metrics: counts requests as they end, and samples gauges every second.

Under Gunicorn the workers count in shared memory, and the one that gets the request adds up all counts.
Elsewhere there is one process, which counts for itself.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping

from flask import Blueprint, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from config.access_settings import KeyScope
from recommender.api.endpoints import Answer, Endpoint
from recommender.api.metrics_memory import CountsMemory, Slot, shared_counts
from recommender.api.metrics_merging import pack_gauges
from recommender.api.metrics_series import Series, WorkersCollector
from recommender.api.tags import SERVICE_TAG
from recommender.entities import DatabaseName, DatabaseState
from recommender.observability.telemetry import Tally
from recommender.serving.status import Readiness, Status
from recommender.system.background import Pause, RepeatingThread
from recommender.trainer.state import TrainingState

logger = logging.getLogger(__name__)

PoolStats = Callable[[], Mapping[str, int]]

_SAMPLE_S = 1.0
_EXCERPT = (
    "# HELP marquee_requests_in_flight Requests being answered\n"
    "# TYPE marquee_requests_in_flight gauge\n"
    "marquee_requests_in_flight 1.0\n"
)


class Metrics:
    """Counts requests as they end, and samples gauges every second in a thread."""

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
        self._rules: tuple[str, ...] = ()
        self._made_series: Series | None = None
        self._series_lock = threading.Lock()
        self._in_flight_lock = threading.Lock()
        self._in_flight = 0
        self._sampling_lock = threading.Lock()
        self._counted: dict[tuple[DatabaseName, str, str], int] = {}
        self._model = ("", "")
        self._thread = RepeatingThread("metrics", self._sample_every_second, _SAMPLE_S)

    @property
    def _series(self) -> Series:
        """Return the series, made on first use, after the fork: Gunicorn's master does not count."""
        return self._make_series() if self._made_series is None else self._made_series

    def expect_errors_of(self, rules: Iterable[str]) -> None:
        """Open the series of server errors of some endpoints at 0. Call before anything is counted."""
        self._rules = tuple(rules)

    def _make_series(self) -> Series:
        with self._series_lock:
            if self._made_series is None:
                self._made_series = Series(self._slot, self._rules)
                if self._memory is not None:
                    self._made_series.workers.lost.inc(self._memory.lost.workers)
                    self._made_series.workers.lost_requests.inc(self._memory.lost.requests)
            return self._made_series

    @staticmethod
    def shared_counts(workers: int) -> CountsMemory | None:
        """Return the memory for `share`, made before the fork; None if the system refuses it."""
        return shared_counts(workers)

    def share(self, memory: CountsMemory) -> None:
        """Count in memory shared with other processes. Call before `open`."""
        self._memory = memory
        self._slot = memory.take_slot()
        if self._slot is None:
            logger.warning(
                "metrics: no slot is free in the shared memory; this worker's requests are not counted"
            )

    def open(self) -> None:
        """Start sampling in the background."""
        self._thread.open()

    def close(self) -> None:
        """Stop sampling."""
        self._thread.close()

    def request_begins(self) -> None:
        """Count a request in flight."""
        with self._in_flight_lock:
            self._in_flight += 1
            self._note_in_flight()

    def request_ends(self, endpoint: str, status: int, seconds: float, stages: Mapping[str, float]) -> None:
        """Count a request that has ended; `stages` are seconds by name."""
        requests = self._series.requests
        with self._in_flight_lock:
            self._in_flight -= 1
            self._note_in_flight()
        requests.duration(endpoint, status).observe(seconds)
        for name, stage_seconds in stages.items():
            requests.stages(name).observe(stage_seconds)

    def _note_in_flight(self) -> None:
        if self._slot is not None:
            self._slot.note_in_flight(self._in_flight)

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

    def stream_broken_off(self, reason: str) -> None:
        """Count a stream that ended before its last user."""
        self._series.requests.broken_off(reason).inc()

    def render(self) -> bytes:
        """Return the metrics of all workers in Prometheus' text format."""
        self._sample()
        series = self._series
        if self._memory is None:
            return generate_latest(series.counts) + generate_latest(series.gauges)
        return generate_latest(WorkersCollector(series.families, self._memory))

    def _sample_every_second(self) -> Pause:
        self._sample()
        return Pause(_SAMPLE_S, _SAMPLE_S)

    def _sample(self) -> None:
        with self._sampling_lock:
            self._series.requests.in_flight.set(self._in_flight)
            self._sample_state(self._read_status())
            self._sample_training(self._read_training())
            for (name, pool), stats in self._pools.items():
                self._sample_pool(name, pool, stats())
            if self._slot is not None:
                samples = (sample for each in self._series.gauges.collect() for sample in each.samples)
                self._slot.write_gauges(pack_gauges((each.name, each.labels, each.value) for each in samples))

    def _sample_state(self, status: Status) -> None:
        workers = self._series.workers
        for readiness in Readiness:
            workers.by_status.labels(readiness).set(readiness is status.readiness)
        workers.wanted.set(1 if self._memory is None else self._memory.wanted_workers)
        state = self._series.state
        for name, found in status.databases.items():
            for each in DatabaseState:
                state.databases.labels(name, each).set(each is found)
        state.held_back.set(status.held_back is not None)
        if status.catalog is not None:
            state.index_age.set(status.catalog.age_s)
            state.popularity_age.set(status.catalog.popularity_age_s)
            state.index_items.set(status.catalog.item_count)
        for model_status in (status.model, *status.experiment_models.values()):
            wanted, is_missing = model_status.wanted, model_status.is_missing
            state.missing.labels(wanted).set(is_missing)
            # A missing model of an experiment also has a refusal, for /ready.
            state.refused.labels(wanted).set(model_status.refused is not None and not is_missing)
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
    """Return the blueprint of the endpoint that Prometheus scrapes."""
    blueprint = Blueprint("metrics", __name__)

    @Endpoint(
        blueprint,
        "GET",
        "/metrics",
        name="getMetrics",
        tag=SERVICE_TAG,
        summary="Metrics for Prometheus",
        description="The metrics of all workers together.",
        answers=(Answer({"type": "string"}, {"excerpt": _EXCERPT}, content_type="text/plain"),),
        scope=KeyScope.OPS,
    )
    def get_metrics() -> Response:
        return Response(metrics.render(), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return blueprint
