"""Targets of the service, as ratios within one run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.dataset import LARGE, SMALL
from benchmarks.results import CAPPED, batch_measure, first_get_measure, get_measure
from recommender.demo.generate import DEMO_SIZE
from recommender.models.names import LIVE
from recommender.models.registry import DEFAULT_MODEL

DEMO = DEMO_SIZE.interactions

_ONE, _EIGHT, _BATCH = get_measure(1), get_measure(8), batch_measure(500)
_PRECOMPUTED, _FLOOR = "precomputed", "floor"

# Of one size, by server.
Servers = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio, and its bound for each size of data.

    `wanted`: the bound by number of interactions; a minimum if `at_least`, else a maximum. `ratio`: computes
    it from the figures of a size and the name of the best model.
    """

    name: str
    wanted: Mapping[int, float]
    at_least: bool
    ratio: Callable[[Servers, str], float]

    def is_reached(self, size: int, measured: float) -> bool:
        """Return whether a measured ratio is within the bound."""
        return measured >= self.wanted[size] if self.at_least else measured <= self.wanted[size]


def _rate(servers: Servers, server: str) -> float:
    return float(servers[server][_EIGHT]["per_second"])


def _median(servers: Servers, server: str) -> float:
    return float(servers[server][_ONE]["median_ms"])


def _first(event: str) -> Target:
    measure = first_get_measure(event)
    return Target(
        measure,
        {SMALL: 3.0, LARGE: 3.0},
        at_least=False,
        ratio=lambda servers, best: float(servers[best][measure]),
    )


TARGETS = (
    Target(
        "best model GET, requests a second, 8 clients, of precomputed",
        {SMALL: 0.5, LARGE: 0.4},
        at_least=True,
        ratio=lambda servers, best: _rate(servers, best) / _rate(servers, _PRECOMPUTED),
    ),
    Target(
        "best model GET, median at 1 client, of precomputed",
        {SMALL: 1.5, LARGE: 1.8},
        at_least=False,
        ratio=lambda servers, best: _median(servers, best) / _median(servers, _PRECOMPUTED),
    ),
    Target(
        f"{DEFAULT_MODEL} GET, requests a second, 8 clients, of precomputed",
        {SMALL: 0.4, LARGE: 0.25},
        at_least=True,
        ratio=lambda servers, _: _rate(servers, DEFAULT_MODEL) / _rate(servers, _PRECOMPUTED),
    ),
    Target(
        "live SQL GET, requests a second, 8 clients, of the floor",
        {SMALL: 0.08, LARGE: 0.08},
        at_least=True,
        ratio=lambda servers, _: _rate(servers, LIVE) / _rate(servers, _FLOOR),
    ),
    Target(
        "best model POST 500, users a second, of precomputed GET requests a second",
        {SMALL: 1.5, LARGE: 1.0},
        at_least=True,
        ratio=lambda servers, best: float(servers[best][_BATCH]) / _rate(servers, _PRECOMPUTED),
    ),
    Target(
        "live SQL GET, median at 1 client, of the same with the caps",
        {DEMO: 1.5},
        at_least=False,
        ratio=lambda servers, _: _median(servers, LIVE) / _median(servers, CAPPED),
    ),
    _first("a start"),
    _first("an index swap"),
    _first("a model swap"),
)


def target_rows(size: int, servers: Servers, best: str) -> Iterator[str]:
    """Yield a row of a table for each target of a size; what was not measured has a dash."""
    for target in TARGETS:
        if size not in target.wanted:
            continue
        bound = "at least" if target.at_least else "at most"
        wanted = f"{bound} {target.wanted[size]:g}"
        try:
            measured = target.ratio(servers, best)
        except KeyError:
            yield f"| {size / 1e6:g} million | {target.name} | {wanted} | — | not measured |"
            continue
        reached = "yes" if target.is_reached(size, measured) else "no"
        yield f"| {size / 1e6:g} million | {target.name} | {wanted} | {measured:.2f} | {reached} |"
