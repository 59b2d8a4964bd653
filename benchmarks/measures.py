"""The measurements at one data size: each peer, live SQL and each model, in turn."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.dataset import BenchmarkData
from benchmarks.first_gets import after_index_swaps, after_model_swaps, after_start
from benchmarks.load import Client, get_request, measure, post_request
from benchmarks.peers import als_variables
from benchmarks.peers.als_training import train_als
from benchmarks.peers.precomputed_table import fill_precomputed
from benchmarks.peers.redis_server import redis_server
from benchmarks.results import CAPPED, Results, batch_measure, first_get_measure, get_measure
from benchmarks.servers import Server, serving, wait_for_model
from benchmarks.training import train
from recommender.models.names import LIVE

_PATH = "/api/recommendations"
_BATCH = f"{_PATH}/batch"
_USERS = 400
_HEAVY_REPEATS = 9
_WARM_UP_S = 2.0
# Of `training.Trained`.
_TRAINING_MEASURES = ("training s", "training peak MB", "artifact MB")


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure; quick ratios are less certain."""

    seconds: float
    naive_seconds: float
    naive_batches: int
    batches: int
    streamed_users: int


FULL = Effort(seconds=15, naive_seconds=30, naive_batches=1, batches=5, streamed_users=10_000)
QUICK = Effort(seconds=5, naive_seconds=5, naive_batches=1, batches=3, streamed_users=2_000)


class Measures:
    """Measure at one data size, and record the figures in the results."""

    def __init__(self, results: Results, data: BenchmarkData, effort: Effort) -> None:
        self._results = results
        self._data = data
        self._effort = effort
        self._gets = [get_request(f"{_PATH}/{user_id}?limit=10") for user_id in data.user_ids[:_USERS]]

    def measure_peers(self) -> None:
        """Measure the alternative designs of `benchmarks/peers/`."""
        data = self._data
        with serving("benchmarks.peers.floor:app", data) as server:
            self._measure_peer("floor", server)
        fill_precomputed(data)
        with serving("benchmarks.peers.precomputed:app", data) as server:
            self._measure_peer("precomputed", server)
        self._measure_als_redis()
        with serving("benchmarks.peers.naive:app", data) as server:
            self._measure_gets("naive", server, self._effort.naive_seconds)
            rate = self._users_a_second(server, 50, self._effort.naive_batches)
            self._note("naive", batch_measure(50), rate)
            self._note_memory("naive", server)

    def measure_live(self) -> None:
        """Measure the service with live SQL."""
        self._measure_service(LIVE)

    def measure_model(self, model: str) -> None:
        """Train a model, and measure the service with it."""
        folder = self._data.folder / "models" / model
        trained = train(model, self._data, folder)
        if trained is None:
            self._note(model, "training", "refused")
            return
        for measured, value in zip(_TRAINING_MEASURES, trained, strict=True):
            self._note(model, measured, value)
        self._measure_service(model, MODEL_PATH=str(folder))

    def measure_first_gets(self, model: str) -> None:
        """Measure the first GETs after a start and after swaps, with a model that was measured before."""
        data, gets, seconds = self._data, self._gets, self._effort.seconds
        folder = self._data.folder / "models" / model
        if not (folder / model / "current").exists():
            return
        for event, found in (
            ("a start", after_start(data, gets, MODEL_PATH=str(folder))),
            ("an index swap", after_index_swaps(data, gets, model, seconds, MODEL_PATH=str(folder))),
            ("a model swap", after_model_swaps(data, gets, model, folder, seconds)),
        ):
            if found is not None:
                self._note(model, f"first GET after {event}, ms", found.longest_ms)
                self._note(model, first_get_measure(event), found.ratio)

    def measure_caps(self) -> None:
        """Measure live SQL without caps, its default for small windows, and with caps."""
        for name, variables in ((LIVE, {}), (CAPPED, {"EXACT_UP_TO_PAIRS": "0"})):
            with serving("wsgi:app", self._data, **variables) as server:
                wait_for_model(server, self._data.user_ids[0], LIVE)
                measure(server.port, self._gets[:40], 8, _WARM_UP_S)
                self._measure_gets(name, server, self._effort.seconds)
                self._note_memory(name, server)

    def _measure_als_redis(self) -> None:
        factors = self._data.folder / "als_redis"
        train_als(self._data, factors)
        with redis_server() as redis:
            for name, variables in (
                ("als_redis, cold", {als_variables.KEEP_MS: "1"}),
                ("als_redis, warm", {}),
            ):
                if redis is None:
                    self._note(name, "not measured", "redis-server is not installed")
                    continue
                url, pid = redis
                variables |= {als_variables.FACTORS: str(factors), als_variables.REDIS_URL: url}
                with serving("benchmarks.peers.als_redis:app", self._data, None, pid, **variables) as server:
                    self._measure_peer(name, server)

    def _measure_peer(self, name: str, server: Server) -> None:
        measure(server.port, self._gets, 8, _WARM_UP_S)
        # Ask for each answer once, to fill the cache.
        client = Client(server.port)
        for request in self._gets:
            client.ask(request)
        self._measure_gets(name, server, self._effort.seconds)
        self._note_memory(name, server)

    def _measure_service(self, name: str, **variables: str) -> None:
        data = self._data
        with serving("wsgi:app", data, **variables) as server:
            wait_for_model(server, data.user_ids[0], name)
            measure(server.port, self._gets[:40], 8, _WARM_UP_S)
            self._measure_gets(name, server, self._effort.seconds)
            heavy = [get_request(f"{_PATH}/{data.heaviest_user_id}?limit=10")] * _HEAVY_REPEATS
            self._note(name, "GET heaviest", measure(server.port, heavy, 1, 1.0))
            for users in (50, 500):
                rate = self._users_a_second(server, users, self._effort.batches)
                self._note(name, batch_measure(users), rate)
            self._note(name, "NDJSON, users/s", self._streamed_users_a_second(server))
            self._note_memory(name, server)

    def _measure_gets(self, name: str, server: Server, seconds: float) -> None:
        for clients in (1, 8):
            before = server.cpu_seconds()
            timing = measure(server.port, self._gets, clients, seconds)
            self._note(name, get_measure(clients), timing)
        # `before` and `timing` are of the last round, with 8 clients.
        for part, ended in server.cpu_seconds().items():
            self._note(name, f"CPU ms a GET, {part}", 1_000 * (ended - before[part]) / timing.requests)
        self._note(name, "CPU ms a GET, load generator", timing.client_cpu_ms)

    def _users_a_second(self, server: Server, users: int, batches: int) -> float:
        """Return users per second, the median over batches of different users."""
        rates = []
        for ids in _slices(self._data.user_ids, users, batches):
            request = post_request(_BATCH, orjson.dumps({"user_ids": ids, "limit": 10}))
            before = time.perf_counter()
            Client(server.port).ask(request)
            rates.append(len(ids) / (time.perf_counter() - before))
        return sorted(rates)[len(rates) // 2]

    def _streamed_users_a_second(self, server: Server) -> float:
        ids = list(self._data.user_ids[: self._effort.streamed_users])
        body = orjson.dumps({"user_ids": ids, "limit": 10})
        before = time.perf_counter()
        Client(server.port).ask(post_request(_BATCH, body, accept="application/x-ndjson"))
        return len(ids) / (time.perf_counter() - before)

    def _note_memory(self, name: str, server: Server) -> None:
        private_mb, shared_mb = server.worker_memory_mb()
        self._note(name, "worker private MB", private_mb)
        self._note(name, "worker shared MB", shared_mb)

    def _note(self, name: str, measure_name: str, value: object) -> None:
        self._results.note(self._data.interactions, name, measure_name, value)


def _slices(ids: Sequence[Any], size: int, count: int) -> Iterator[list[str]]:
    for number in range(count):
        start = (1_000 + number * size) % max(1, len(ids) - size)
        yield list(ids[start : start + size])
