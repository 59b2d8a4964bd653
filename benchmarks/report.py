"""The figures of a run as Markdown tables, with ratios."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.dataset import HUGE, LARGE, SMALL
from benchmarks.results import CAPPED, batch_measure, get_measure
from benchmarks.targets import DEMO, target_rows
from recommender.models.names import LIVE
from recommender.models.registry import DEFAULT_MODEL

# With the default formula (DEFAULT_MODEL), the baseline of trained models: the fastest peer with a database.
_PRECOMPUTED = "precomputed"
_ONE, _EIGHT, _BATCH = get_measure(1), get_measure(8), batch_measure(500)
_PEERS = ("floor", _PRECOMPUTED, "als_redis, cold", "als_redis, warm", "naive")
# How old the data behind an answer may be.
_STALE_BY = {
    "floor": "constant answer",
    _PRECOMPUTED: "all by a day",
    "als_redis, cold": "all by the time since training",
    "als_redis, warm": "all by the time since training, and an hour",
    "naive": "nothing",
    LIVE: "popularity by 5 minutes",
}
_STALE_BY[CAPPED] = _STALE_BY[LIVE]
_MODELS_STALE_BY = "other users by the time since training; not the user's own history"
# The columns of a table. A timing shows its median, p95, p99 and rate.
_MODEL_MEASURES = (
    _ONE,
    _EIGHT,
    "CPU ms a GET, service",
    "CPU ms a GET, PostgreSQL",
    "CPU ms a GET, Redis",
    "CPU ms a GET, load generator",
    "GET heaviest",
    batch_measure(50),
    _BATCH,
    "NDJSON, users/s",
    "training s",
    "training peak MB",
    "artifact MB",
    "worker private MB",
    "worker shared MB",
)

Figures = Mapping[str, Mapping[str, Any]]


def as_table(machine: Mapping[str, Any], figures: Figures, best_model: str) -> str:
    """Return Markdown: the machine, a table per size with a row per server, ratios, and targets."""
    about = ", ".join(f"{key} {value}" for key, value in machine.items())
    sizes = [size for size in (DEMO, SMALL, LARGE, HUGE) if _servers(figures, size)]
    tables = [row for size in sizes for row in (*_figure_rows(figures, size), "")]
    ratios = [row for size in sizes if size != DEMO for row in _ratio_rows(size, _servers(figures, size))]
    ratios += _growth_rows(figures)
    to_reach = [row for size in sizes for row in target_rows(size, _servers(figures, size), best_model)]
    return "\n".join(
        [
            f"Machine: {about}",
            "",
            *tables,
            "| ratio | measured |",
            "|---|---|",
            *ratios,
            "",
            f"Targets (best model: {best_model}):",
            "",
            "| data | ratio | wanted | measured | reached |",
            "|---|---|---|---|---|",
            *to_reach,
        ]
    )


def _servers(figures: Figures, size: int) -> dict[str, Mapping[str, Any]]:
    """Return the figures of one size by server, in the order in which they were measured."""
    keys = {key: key.partition(" ") for key in figures}
    return {server: figures[key] for key, (own, _, server) in keys.items() if own == str(size)}


def _figure_rows(figures: Figures, size: int) -> Iterator[str]:
    yield f"| {size / 1e6:g} million | " + " | ".join((*_MODEL_MEASURES, "may be stale")) + " |"
    yield "|---|" + "---|" * (len(_MODEL_MEASURES) + 1)
    for server, own in _servers(figures, size).items():
        cells = [_cell(own.get(name)) for name in _MODEL_MEASURES]
        yield f"| {server} | " + " | ".join((*cells, _STALE_BY.get(server, _MODELS_STALE_BY))) + " |"


def _ratio_rows(size: int, servers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    at = f"at {size / 1e6:g} million"
    floor, naive, live = servers["floor"], servers["naive"], servers[LIVE]
    precomputed = servers[_PRECOMPUTED]
    gain = naive[_ONE]["median_ms"] / live[_ONE]["median_ms"]
    yield f"| live GET, median, times faster than naive {at} | {gain:.0f} |"
    share = live[_EIGHT]["per_second"] / floor[_EIGHT]["per_second"]
    yield f"| live GET requests a second, 8 clients, of the floor {at} | {share:.2f} |"
    yield f"| live GET, p99 of median {at} | {live[_ONE]['p99_ms'] / live[_ONE]['median_ms']:.1f} |"
    default = servers.get(DEFAULT_MODEL)
    for model, own in servers.items():
        if _ONE not in own or model in (*_PEERS, LIVE):
            continue
        share = own[_EIGHT]["per_second"] / precomputed[_EIGHT]["per_second"]
        yield f"| {model} GET requests a second, 8 clients, of {_PRECOMPUTED} {at} | {share:.2f} |"
        slower = own[_ONE]["median_ms"] / precomputed[_ONE]["median_ms"]
        yield f"| {model} GET, median, of {_PRECOMPUTED} {at} | {slower:.2f} |"
        share = own[_BATCH] / precomputed[_EIGHT]["per_second"]
        yield f"| {model} POST 500, users a second, of {_PRECOMPUTED} GETs a second {at} | {share:.2f} |"
        share = own[_EIGHT]["per_second"] / floor[_EIGHT]["per_second"]
        yield f"| {model} GET requests a second, 8 clients, of the floor {at} | {share:.2f} |"
        if default is not None and default is not own:
            slower = own[_ONE]["median_ms"] / default[_ONE]["median_ms"]
            faster = own[_BATCH] / default[_BATCH]
            yield f"| {model} GET, median, of {DEFAULT_MODEL} {at} | {slower:.2f} |"
            yield f"| {model} POST 500, users a second, of {DEFAULT_MODEL} {at} | {faster:.2f} |"


def _growth_rows(figures: Figures) -> Iterator[str]:
    small, large = (_servers(figures, size).get(LIVE) for size in (SMALL, LARGE))
    if small is not None and large is not None:
        slower = large[_ONE]["median_ms"] / small[_ONE]["median_ms"]
        yield f"| live GET, median, at 20 million of that at 0.6 million | {slower:.1f} |"


def _cell(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, Mapping):
        return (
            f"{value['median_ms']:.1f} / {value['p95_ms']:.1f} / {value['p99_ms']:.1f} ms, "
            f"{value['per_second']:.0f}/s"
        )
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004 - small figures get decimals
