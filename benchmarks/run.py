"""`make bench`: floor, naive service, live SQL and every model in one run; tables and JSON."""

import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import orjson

from benchmarks.dataset import LARGE, SMALL, BenchmarkData, benchmark_data
from benchmarks.load import Client, Timing, get_request, measure, post_request
from benchmarks.report import as_table
from benchmarks.servers import Server, serving
from benchmarks.training import train
from config.setting_types import ROOT
from recommender.models.base import LIVE
from recommender.models.registry import MODELS

_RESULTS = ROOT / ".bench" / "results.json"
_PATH = "/api/recommendations"
_BATCH = f"{_PATH}/batch"
_SIZES = {"small": SMALL, "large": LARGE}
_USERS = 400
_STREAMED_USERS = 10_000
_HEAVY_REPEATS = 9
# Of `training.Trained`.
_TRAINING_MEASURES = ("training s", "training peak MB", "artifact MB")


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure; the ratios are the same, the quick ones less certain."""

    seconds: float
    naive_seconds: float
    naive_batches: int
    batches: int


FULL = Effort(seconds=15, naive_seconds=30, naive_batches=1, batches=5)
QUICK = Effort(seconds=5, naive_seconds=5, naive_batches=1, batches=3)


@dataclass(slots=True)
class Results:
    """Figures by size, server and measure."""

    machine: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, interactions: int, server: str, measure_name: str, value: object) -> None:
        """Keep one figure, and show it at once."""
        key = f"{interactions} {server}"
        self.figures.setdefault(key, {})[measure_name] = asdict(value) if isinstance(value, Timing) else value
        click.echo(f"  {key}: {measure_name}: {_short(value)}", err=True)


def _short(value: object) -> str:
    if isinstance(value, Timing):
        return (
            f"median {value.median_ms:.1f} ms, p95 {value.p95_ms:.1f}, p99 {value.p99_ms:.1f}, "
            f"{value.per_second:.0f} a second ({value.requests} requests)"
        )
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def measure_size(results: Results, interactions: int, effort: Effort, models: Sequence[str]) -> None:
    """Take all measures at one size."""
    with benchmark_data(interactions) as data:
        gets = [get_request(f"{_PATH}/{user_id}?limit=10") for user_id in data.user_ids[:_USERS]]
        with serving("benchmarks.floor:app", data) as server:
            _measure_gets(results, data, "floor", server, gets=gets, seconds=effort.seconds)
        with serving("benchmarks.naive:app", data) as server:
            _measure_gets(results, data, "naive", server, gets=gets, seconds=effort.naive_seconds)
            rate = _users_a_second(server, data, 50, effort.naive_batches)
            results.note(interactions, "naive", "POST 50, users/s", rate)
        _measure_service(results, data, LIVE, gets, effort)
        for model in models:
            folder = _RESULTS.parent / str(interactions) / "models" / model
            trained = train(model, data, folder)
            if trained is None:
                results.note(interactions, model, "training", "refused")
                continue
            for measured, value in zip(_TRAINING_MEASURES, trained, strict=True):
                results.note(interactions, model, measured, value)
            _measure_service(results, data, model, gets, effort, MODEL_PATH=str(folder))


def _measure_service(
    results: Results,
    data: BenchmarkData,
    name: str,
    gets: list[bytes],
    effort: Effort,
    **variables: str,
) -> None:
    with serving("wsgi:app", data, **variables) as server:
        _wait_for_model(server, data.user_ids[0], name)
        measure(server.port, gets[:40], 8, 2.0)
        _measure_gets(results, data, name, server, gets=gets, seconds=effort.seconds)
        heavy = [get_request(f"{_PATH}/{data.heaviest_user_id}?limit=10")] * _HEAVY_REPEATS
        results.note(data.interactions, name, "GET heaviest", measure(server.port, heavy, 1, 1.0))
        for users in (50, 500):
            rate = _users_a_second(server, data, users, effort.batches)
            results.note(data.interactions, name, f"POST {users}, users/s", rate)
        rate = _streamed_users_a_second(server, data)
        results.note(data.interactions, name, "NDJSON 10,000, users/s", rate)
        private_mb, shared_mb = server.worker_memory_mb()
        results.note(data.interactions, name, "worker private MB", private_mb)
        results.note(data.interactions, name, "worker shared MB", shared_mb)


def _measure_gets(
    results: Results, data: BenchmarkData, name: str, server: Server, *, gets: list[bytes], seconds: float
) -> None:
    for clients in (1, 8):
        timing = measure(server.port, gets, clients, seconds)
        results.note(data.interactions, name, f"GET, {clients} client{'s' * (clients > 1)}", timing)


def _wait_for_model(server: Server, user_id: str, model: str) -> None:
    """Each of the workers must have come to the model, which one hears only by asking often enough."""
    in_a_row = 0
    deadline = time.monotonic() + 180
    while in_a_row < 20 and time.monotonic() < deadline:  # noqa: PLR2004 - more than enough for two workers
        try:
            answer = orjson.loads(Client(server.port).ask(get_request(f"{_PATH}/{user_id}?limit=1")))
            in_a_row = in_a_row + 1 if answer["model"] == model and not answer["degraded"] else 0
        except RuntimeError:
            in_a_row = 0
        time.sleep(0.05)


def _users_a_second(server: Server, data: BenchmarkData, users: int, batches: int) -> float:
    """The median over batches of different users."""
    rates = []
    for ids in _slices(data.user_ids, users, batches):
        request = post_request(_BATCH, orjson.dumps({"user_ids": ids, "limit": 10}))
        before = time.perf_counter()
        Client(server.port).ask(request)
        rates.append(len(ids) / (time.perf_counter() - before))
    return sorted(rates)[len(rates) // 2]


def _streamed_users_a_second(server: Server, data: BenchmarkData) -> float:
    ids = list(data.user_ids[:_STREAMED_USERS])
    body = orjson.dumps({"user_ids": ids, "limit": 10})
    before = time.perf_counter()
    Client(server.port).ask(post_request(_BATCH, body, accept="application/x-ndjson"))
    return len(ids) / (time.perf_counter() - before)


def _slices(ids: Any, size: int, count: int) -> Iterator[list[str]]:
    for number in range(count):
        start = (1_000 + number * size) % max(1, len(ids) - size)
        yield list(ids[start : start + size])


def _machine() -> dict[str, Any]:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory GB": round(memory_gb, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


@click.command()
@click.option("--quick", is_flag=True, help="Measure for shorter; without --size, the small data set only.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    type=click.Choice(list(_SIZES)),
    help="Only this data set; small: 0.6 million interactions, large: 20 million.",
)
@click.option("--model", "models", multiple=True, type=click.Choice(list(MODELS)), help="Only these models.")
def main(*, quick: bool, sizes: Sequence[str], models: Sequence[str]) -> None:
    """Measure the floor, the naive service, live SQL and the models; print tables, write JSON."""
    results = Results(machine=_machine())
    for size in sizes or (("small",) if quick else tuple(_SIZES)):
        measure_size(results, _SIZES[size], QUICK if quick else FULL, models or list(MODELS))
    _RESULTS.write_text(json.dumps(asdict(results), indent=2))
    click.echo(as_table(results.machine, results.figures))
    click.echo(f"\nAs JSON: {_RESULTS.relative_to(ROOT)}", err=True)


if __name__ == "__main__":
    main()
