"""Latencies while a server swaps its index or its model."""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.load import Client

CLIENTS = 2
# Shorter than the time that the data spans: interactions leave the window all the time, so that each refresh
# makes a new index.
MOVING_WINDOW_DAYS = 40
# How many answers by the new version are measured after a swap.
FIRST = 4
INDEX = re.compile(rb'"index":"([0-9a-f]+)"')
MODEL = re.compile(rb'"model_version":"([^"]+)"')
# Between two requests of a client, so that the machine has time for what is measured beside them.
_THINK_S = 0.01
# Longer than workers take to follow each other, shorter than the time between two swaps.
_SETTLED_S = 2.0


@dataclass(slots=True)
class Asked:
    """What clients saw; parallel: when each request began, how long it took, and what it was ranked by."""

    began: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    ranked_by: list[bytes] = field(default_factory=list)


def ask(port: int, requests: Sequence[bytes], seconds: float, ranked_by: re.Pattern[bytes] = INDEX) -> Asked:
    """Send requests from `CLIENTS` threads for some seconds.

    `ranked_by`: finds in an answer the version of the index or model that it was ranked by.
    """
    asked, lock, ends_at = Asked(), threading.Lock(), time.perf_counter() + seconds

    def run(number: int) -> None:
        client, position = Client(port), number
        while time.perf_counter() < ends_at:
            began = time.perf_counter()
            body = client.ask(requests[position % len(requests)])
            took = time.perf_counter() - began
            found = ranked_by.search(body)
            with lock:
                asked.began.append(began)
                asked.seconds.append(took)
                asked.ranked_by.append(found[1] if found else b"")
            position += CLIENTS
            time.sleep(_THINK_S)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asked


def after_swaps(asked: Asked) -> list[list[float]]:
    """Return, for each swap, the seconds of the first answers ranked by the new version.

    A version counts as new if no answer of the last `_SETTLED_S` seconds was by it: workers swap at
    different moments, and a former version may return.
    """
    last_used: dict[bytes, float] = {}
    in_use = b""
    swaps: list[list[float]] = []
    for position in np.argsort(asked.began).tolist():
        ranked_by, began = asked.ranked_by[position], asked.began[position]
        is_unused = began - last_used.get(ranked_by, -np.inf) > _SETTLED_S
        if last_used and ranked_by != in_use and is_unused:
            in_use = ranked_by
            swaps.append([])
        if swaps and ranked_by == in_use and len(swaps[-1]) < FIRST:
            swaps[-1].append(asked.seconds[position])
        in_use = in_use or ranked_by
        last_used[ranked_by] = began
    return swaps
