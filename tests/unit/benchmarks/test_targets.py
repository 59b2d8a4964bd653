"""A benchmark reports correctly which targets it has reached."""

from benchmarks.dataset import SMALL
from benchmarks.results import CAPPED
from benchmarks.targets import DEMO, target_rows


def _figures(median_ms: float, per_second: float, batch: float = 0.0) -> dict[str, object]:
    return {
        "GET, 1 client": {"median_ms": median_ms, "per_second": 1_000 / median_ms},
        "GET, 8 clients": {"median_ms": 8 * median_ms, "per_second": per_second},
        "POST 500, users/s": batch,
    }


def _cells(size: int, servers: dict[str, dict[str, object]]) -> dict[str, tuple[str, str]]:
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in target_rows(size, servers, "ease")
    ]
    return {name: (measured, reached) for _, name, _, measured, reached in rows}


def test_ratios_are_of_the_right_servers_and_held_against_the_right_bounds() -> None:
    servers = {
        "floor": _figures(0.5, 5_000),
        "precomputed": _figures(1.0, 2_000),
        "live": _figures(10.0, 300),
        "neighbours": _figures(3.0, 900),
        "ease": _figures(1.4, 800, batch=3_000),
    }
    servers["ease"]["first GET after a start, of the median"] = 3.5
    assert _cells(SMALL, servers) == {
        "best model GET, requests a second, 8 clients, of precomputed": ("0.40", "no"),
        "best model GET, median at 1 client, of precomputed": ("1.40", "yes"),
        "neighbours GET, requests a second, 8 clients, of precomputed": ("0.45", "yes"),
        "live SQL GET, requests a second, 8 clients, of the floor": ("0.06", "no"),
        "best model POST 500, users a second, of precomputed GET requests a second": ("1.50", "yes"),
        "first GET after a start, of the median": ("3.50", "no"),
        "first GET after an index swap, of the median": ("—", "not measured"),
        "first GET after a model swap, of the median": ("—", "not measured"),
    }


def test_the_demo_compares_live_sql_with_and_without_its_caps() -> None:
    servers = {"live": _figures(20.0, 100), CAPPED: _figures(10.0, 200)}
    assert _cells(DEMO, servers) == {
        "live SQL GET, median at 1 client, of the same with the caps": ("2.00", "no")
    }
