"""`python -m benchmarks.refresh`: memory of workers and latency of requests during refreshes.

The window moves, so each refresh finds other counts and makes a new index. No table is changed.
"""

import re

import click
import numpy as np

from benchmarks.dataset import BenchmarkData, benchmark_data
from benchmarks.load import get_request
from benchmarks.servers import Server, serving, wait_for_model
from benchmarks.swaps import FIRST, MOVING_WINDOW_DAYS, Asked, after_swaps, ask
from benchmarks.training import train
from recommender.models.names import LIVE
from recommender.models.registry import MODELS

_USERS = 400
_LOADED = re.compile(rb"media in ([0-9]+) ms")


def _report(name: str, asked: Asked, server: Server) -> None:
    waits = np.array(asked.seconds) * 1_000
    click.echo(
        f"{name}: {len(waits)} GETs, median {np.median(waits):.1f} ms, 99 % {np.percentile(waits, 99):.1f}, "
        f"99.9 % {np.percentile(waits, 99.9):.1f}, longest {np.sort(waits)[-5:].round(1).tolist()}"
    )
    swaps = after_swaps(asked)
    if swaps:
        first = np.concatenate(swaps) * 1_000
        click.echo(
            f"  {len(swaps)} swaps, first {FIRST} GETs after each: median "
            f"{np.median(first):.1f} ms, longest {first.max():.1f}"
        )
    if server.log is not None:
        loads = [int(each) / 1_000 for each in _LOADED.findall(server.log.read_bytes())]
        click.echo(f"  {len(loads)} refreshes, seconds each: {loads}")
    private_mb, shared_mb = server.worker_memory_mb()
    click.echo(f"  largest worker: private {private_mb:.0f} MB, shared {shared_mb:.0f} MB")


def _measure(data: BenchmarkData, model: str, seconds: float, refresh_seconds: int) -> None:
    requests = [get_request(f"/api/recommendations/{user_id}?limit=10") for user_id in data.user_ids[:_USERS]]
    variables = {"INTERACTION_WINDOW_DAYS": str(MOVING_WINDOW_DAYS)}
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
            ask(server.port, requests, seconds / 4)
            _report(name, ask(server.port, requests, seconds), server)


@click.command()
@click.option("--interactions", type=click.IntRange(min=10_000), default=600_000, show_default=True)
@click.option(
    "--media",
    "items",
    type=click.IntRange(min=1_000),
    help="Number of items; by default it follows --interactions.",
)
@click.option("--model", type=click.Choice([LIVE, *MODELS]), default=LIVE, show_default=True)
@click.option("--seconds", type=float, default=60.0, show_default=True, help="How long to measure.")
@click.option("--refresh-seconds", type=int, default=10, show_default=True, help="How often to refresh.")
def main(*, interactions: int, items: int | None, model: str, seconds: float, refresh_seconds: int) -> None:
    """Measure GETs and workers' memory without and with refreshes of the catalog index."""
    with benchmark_data(interactions, items) as data:
        _measure(data, model, seconds, refresh_seconds)


if __name__ == "__main__":
    main()
