"""`make bench`: measure the peers, live SQL and every model in one run; print tables, write JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.best_model import best_model
from benchmarks.dataset import BENCH_FOLDER, HUGE, LARGE, SMALL, benchmark_data, require_data_or_room
from benchmarks.demo_data import demo_data
from benchmarks.measures import FULL, QUICK, Measures
from benchmarks.report import as_table
from benchmarks.results import Results
from config.setting_types import ROOT
from recommender.models.registry import MODELS

_RESULTS = BENCH_FOLDER / "results.json"
_SIZES = {"small": SMALL, "large": LARGE}


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
@click.option("--huge", is_flag=True, help="Also 100 million interactions; fails at once without disk space.")
@click.option("--model", "models", multiple=True, type=click.Choice(list(MODELS)), help="Only these models.")
def main(*, quick: bool, sizes: Sequence[str], huge: bool, models: Sequence[str]) -> None:
    """Measure peers, live SQL and the models; print tables, write JSON."""
    results = Results(machine=_machine())
    chosen = [_SIZES[size] for size in sizes or (("small",) if quick else tuple(_SIZES))]
    if huge:
        # Fail before hours of measuring.
        require_data_or_room(HUGE)
        chosen.append(HUGE)
    effort = QUICK if quick else FULL
    measured_models = tuple(models or MODELS)
    results.best_model = best = best_model(measured_models)
    with demo_data() as data:
        Measures(results, data, effort).measure_caps()
    for interactions in chosen:
        with benchmark_data(interactions) as data:
            measures = Measures(results, data, effort)
            measures.measure_peers()
            measures.measure_live()
            for model in measured_models:
                measures.measure_model(model)
            measures.measure_first_gets(best)
        _RESULTS.write_text(json.dumps(asdict(results), indent=2))
    click.echo(as_table(results.machine, results.figures, best))
    click.echo(f"\nAs JSON: {_RESULTS.relative_to(ROOT)}", err=True)


if __name__ == "__main__":
    main()
