"""The figures of a run as one Markdown table, with ratios."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.dataset import LARGE, SMALL

_SERVERS = ("floor", "naive", "live", "model")

Figures = Mapping[str, Mapping[str, Any]]


def as_table(machine: Mapping[str, Any], figures: Figures) -> str:
    """A line about the machine, a table of figures, a table of ratios."""
    about = ", ".join(f"{key} {value}" for key, value in machine.items())
    return "\n".join([f"Machine: {about}", "", *_figure_rows(figures), "", *_ratio_rows(figures)])


def _figure_rows(figures: Figures) -> Iterator[str]:
    columns = [key for size in (SMALL, LARGE) for key in _keys(size) if key in figures]
    yield "| | " + " | ".join(_title(key) for key in columns) + " |"
    yield "|---|" + "---|" * len(columns)
    names = dict.fromkeys(name for key in columns for name in figures[key])
    for name in names:
        yield f"| {name} | " + " | ".join(_cell(figures[key].get(name)) for key in columns) + " |"


def _ratio_rows(figures: Figures) -> Iterator[str]:
    yield "| ratio | measured |"
    yield "|---|---|"
    for size in (SMALL, LARGE):
        floor, naive, live, model = (figures.get(key) for key in _keys(size))
        if floor is None or naive is None or live is None or model is None:
            continue
        at = f"at {size / 1e6:g} million"
        one, eight, batch = "GET, 1 client", "GET, 8 clients", "POST 50, users/s"
        live_gain = naive[one]["median_ms"] / live[one]["median_ms"]
        model_gain = naive[one]["median_ms"] / model[one]["median_ms"]
        yield f"| live GET, median, times faster than naive {at} | {live_gain:.0f} |"
        yield f"| model GET, median, times faster than naive {at} | {model_gain:.0f} |"
        share = model[eight]["per_second"] / floor[eight]["per_second"]
        yield f"| model GET requests a second, 8 clients, of the floor {at} | {share:.2f} |"
        yield f"| live POST 50, users a second, times naive {at} | {live[batch] / naive[batch]:.0f} |"
        yield f"| model POST 50, users a second, times naive {at} | {model[batch] / naive[batch]:.0f} |"
        yield f"| live GET, p99 of median {at} | {live[one]['p99_ms'] / live[one]['median_ms']:.1f} |"
        growth = model["worker private MB"] - live["worker private MB"]
        yield f"| private memory a worker gains with the model, MB {at} | {growth:.0f} |"
    small, large = (figures.get(f"{size} live") for size in (SMALL, LARGE))
    if small is not None and large is not None:
        slower = large["GET, 1 client"]["median_ms"] / small["GET, 1 client"]["median_ms"]
        yield f"| live GET, median, at 20 million of that at 0.6 million | {slower:.1f} |"


def _keys(size: int) -> tuple[str, str, str, str]:
    floor, naive, live, model = (f"{size} {server}" for server in _SERVERS)
    return floor, naive, live, model


def _title(key: str) -> str:
    size, _, server = key.partition(" ")
    return f"{server}, {int(size) / 1e6:g} M"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return (
            f"{value['median_ms']:.1f} / {value['p95_ms']:.1f} / {value['p99_ms']:.1f} ms, "
            f"{value['per_second']:.0f}/s"
        )
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004 - small figures get a decimal
