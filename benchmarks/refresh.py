"""`python -m benchmarks.refresh`: what a worker holds, and how long requests wait during refreshes.

The window moves on, so that each refresh finds other counts, and its index is a new one. No table is changed.
"""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import click
import numpy as np

from benchmarks.dataset import BenchmarkData, benchmark_data
from benchmarks.load import Client, get_request
from benchmarks.measures import wait_for_model
from benchmarks.servers import Server, serving
from benchmarks.training import train
from recommender.models.base import LIVE
from recommender.models.registry import MODELS

_USERS = 400
_CLIENTS = 2
# Between two requests of a client, so that the machine has time for what is measured beside them.
_THINK_S = 0.01
# Answers that follow a swap, which each worker gives from an index it has not ranked by before.
_FIRST = 4
_INDEX = re.compile(rb'"index":"([0-9a-f]+)"')
_LOADED = re.compile(rb"media in ([0-9]+) ms")
# So that a few interactions a second leave it.
_WINDOW_DAYS = 40


@dataclass(slots=True)
class Asked:
    """What clients saw; parallel: when each request began, how long it took, and what it was ranked by."""

    began: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    index: list[bytes] = field(default_factory=list)


def _ask(port: int, requests: Sequence[bytes], seconds: float) -> Asked:
    """Ask from some clients at once, for so long."""
    asked, lock, ends_at = Asked(), threading.Lock(), time.perf_counter() + seconds

    def run(number: int) -> None:
        client, position = Client(port), number
        while time.perf_counter() < ends_at:
            began = time.perf_counter()
            body = client.ask(requests[position % len(requests)])
            took = time.perf_counter() - began
            found = _INDEX.search(body)
            with lock:
                asked.began.append(began)
                asked.seconds.append(took)
                asked.index.append(found[1] if found else b"")
            position += _CLIENTS
            time.sleep(_THINK_S)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asked


def _after_swaps(asked: Asked) -> list[float]:
    """Return how long the first answers took that were ranked by each index but the first."""
    count: dict[bytes, int] = {}
    first: list[float] = []
    for position in np.argsort(asked.began).tolist():
        index = asked.index[position]
        count[index] = count.get(index, 0) + 1
        if len(count) > 1 and count[index] <= _FIRST:
            first.append(asked.seconds[position])
    return first


def _report(name: str, asked: Asked, server: Server) -> None:
    waits = np.array(asked.seconds) * 1_000
    click.echo(
        f"{name}: {len(waits)} GETs, median {np.median(waits):.1f} ms, 99 % {np.percentile(waits, 99):.1f}, "
        f"99.9 % {np.percentile(waits, 99.9):.1f}, longest {np.sort(waits)[-5:].round(1).tolist()}"
    )
    first = np.array(_after_swaps(asked)) * 1_000
    if first.size:
        click.echo(
            f"  {len(set(asked.index)) - 1} swaps, first {_FIRST} GETs after each: median "
            f"{np.median(first):.1f} ms, longest {first.max():.1f}"
        )
    if server.log is not None:
        loads = [int(each) / 1_000 for each in _LOADED.findall(server.log.read_bytes())]
        click.echo(f"  {len(loads)} refreshes, seconds each: {loads}")
    private_mb, shared_mb = server.worker_memory_mb()
    click.echo(f"  largest worker: private {private_mb:.0f} MB, shared {shared_mb:.0f} MB")


def _measure(data: BenchmarkData, model: str, seconds: float, refresh_seconds: int) -> None:
    requests = [get_request(f"/api/recommendations/{user_id}?limit=10") for user_id in data.user_ids[:_USERS]]
    variables = {"INTERACTION_WINDOW_DAYS": str(_WINDOW_DAYS)}
    if model != LIVE:
        folder = data.folder / "models" / model
        if not (folder / model / "current").exists():
            train(model, data, folder)
        variables["MODEL_PATH"] = str(folder)
    for name, every in (("without refreshes", 3_600), ("with refreshes", refresh_seconds)):
        log = data.folder / "refresh.log"
        variables |= {"LOG_LEVEL": "INFO", "CATALOG_REFRESH_SECONDS": str(every), "WORKERS": "2"}
        with serving("wsgi:app", data, log, **variables) as server:
            wait_for_model(server, data.user_ids[0], model)
            _ask(server.port, requests, seconds / 4)
            _report(name, _ask(server.port, requests, seconds), server)


@click.command()
@click.option("--interactions", type=click.IntRange(min=10_000), default=600_000, show_default=True)
@click.option("--media", type=click.IntRange(min=1_000), help="How many, if not as many as go with them.")
@click.option("--model", type=click.Choice([LIVE, *MODELS]), default=LIVE, show_default=True)
@click.option("--seconds", type=float, default=60.0, show_default=True, help="How long to measure.")
@click.option("--refresh-seconds", type=int, default=10, show_default=True, help="How often to refresh.")
def main(*, interactions: int, media: int | None, model: str, seconds: float, refresh_seconds: int) -> None:
    """Measure GETs and workers' memory without and with refreshes of the catalog index."""
    with benchmark_data(interactions, media) as data:
        _measure(data, model, seconds, refresh_seconds)


if __name__ == "__main__":
    main()
