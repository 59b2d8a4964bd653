"""Latency of the first GETs after a start, and after a swap of the index or the model."""

import json
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.dataset import BenchmarkData
from benchmarks.load import Client
from benchmarks.servers import serving, wait_for_model
from benchmarks.swaps import FIRST, INDEX, MODEL, MOVING_WINDOW_DAYS, Asked, after_swaps, ask
from recommender.model_store.artifact import METADATA
from recommender.model_store.currents import VersionRef, currents_of_models
from recommender.model_store.store import promote

_STARTS = 3
_GETS_FOR_THE_MEDIAN = 200
_REFRESH_S = 10
_SWAP_EVERY_S = 5.0


class FirstGets(NamedTuple):
    """The longest first GET of each event, its median over events, and the median of all GETs, in ms."""

    longest_ms: float
    median_ms: float

    @property
    def ratio(self) -> float:
        """How many times the median the first GETs take."""
        return self.longest_ms / self.median_ms


def after_start(data: BenchmarkData, requests: Sequence[bytes], **variables: str) -> FirstGets:
    """Measure the first GETs after /health answers, over several starts."""
    longest, every = [], []
    for _ in range(_STARTS):
        with serving("wsgi:app", data, **variables) as server:
            # A connection per request, so that several workers answer.
            first = [_seconds(Client(server.port), request) for request in requests[:FIRST]]
            client = Client(server.port)
            every += [_seconds(client, request) for request in requests[:_GETS_FOR_THE_MEDIAN]]
        longest.append(max(first))
    return _first_gets(longest, every)


def after_index_swaps(
    data: BenchmarkData, requests: Sequence[bytes], model: str, seconds: float, **variables: str
) -> FirstGets | None:
    """Measure the first GETs after each refresh of the index; None where there was no refresh in the time."""
    variables |= {
        "INTERACTION_WINDOW_DAYS": str(MOVING_WINDOW_DAYS),
        "CATALOG_REFRESH_SECONDS": str(_REFRESH_S),
    }
    with serving("wsgi:app", data, **variables) as server:
        wait_for_model(server, data.user_ids[0], model)
        return _of_swaps(ask(server.port, requests, max(seconds, 4.5 * _REFRESH_S), INDEX))


def after_model_swaps(
    data: BenchmarkData, requests: Sequence[bytes], model: str, models: Path, seconds: float
) -> FirstGets | None:
    """Measure the first GETs after a version is promoted; None where no worker swapped in the time.

    `models`: the folder with the trained model; what is promoted is a copy of it.
    """
    folder = data.folder / "models" / "swapped"
    refs = _two_versions(models, folder, model)
    with serving("wsgi:app", data, MODEL_PATH=str(folder)) as server:
        wait_for_model(server, data.user_ids[0], model)
        with _promoting(folder, refs):
            asked = ask(server.port, requests, max(seconds, 4 * _SWAP_EVERY_S), MODEL)
    return _of_swaps(asked)


def _two_versions(models: Path, folder: Path, model: str) -> list[VersionRef]:
    """Copy a folder of models, and in the copy its current version under a second name; return both."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(models, folder, symlinks=True)
    (current,) = [ref for ref in currents_of_models(folder) if ref.model == model]
    second, microseconds = current.version.rstrip("Z").split(".")
    copied = VersionRef(model, f"{second}.{int(microseconds) ^ 1:06d}Z")
    target = folder / model / copied.version
    shutil.copytree(folder / model / current.version, target)
    metadata = json.loads((target / METADATA).read_text())
    (target / METADATA).write_text(json.dumps(metadata | {"version": copied.version}))
    return [copied, current]


@contextmanager
def _promoting(folder: Path, refs: Sequence[VersionRef]) -> Iterator[None]:
    """Promote the versions in turn, in a thread, until the block ends."""
    ended = threading.Event()

    def run() -> None:
        position = 0
        while not ended.wait(_SWAP_EVERY_S):
            promote(folder, refs[position % len(refs)])
            position += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _of_swaps(asked: Asked) -> FirstGets | None:
    swaps = after_swaps(asked)
    return _first_gets([max(first) for first in swaps], asked.seconds) if swaps else None


def _first_gets(longest: Sequence[float], every: Sequence[float]) -> FirstGets:
    return FirstGets(1_000 * float(np.median(longest)), 1_000 * float(np.median(every)))


def _seconds(client: Client, request: bytes) -> float:
    before = time.perf_counter()
    client.ask(request)
    return time.perf_counter() - before
