"""Gathers what the page shows of models: champion, versions, and training runs with plots."""

from dataclasses import dataclass
from pathlib import Path

from recommender.api.explorer.plots import Plot, compared_points, plot_of, served_points
from recommender.evaluation.report import Bar, Scale
from recommender.model_store.runs import TrainingRun, read_runs
from recommender.model_store.store import StoredVersion, list_versions

SHOWN_RUNS = 30


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run, with the drawn interval of each variant, in their order."""

    run: TrainingRun
    bars: tuple[Bar | None, ...]


@dataclass(frozen=True, slots=True)
class TrainingPage:
    """Models and their training runs.

    `runs`: the latest first. `metric`: of the plots; None without any. `served`: plot of what served
    after each run. `compared`: plot of all that was measured.
    """

    versions: tuple[StoredVersion, ...]
    runs: tuple[ComparedRun, ...]
    metric: str | None
    served: Plot | None
    compared: Plot | None

    @property
    def current(self) -> StoredVersion | None:
        """Return the version that `MODEL=auto` serves."""
        return next((each for each in self.versions if each.is_current), None)


def read_training(folder: Path) -> TrainingPage:
    """Return the models and runs in a folder. Queries no database."""
    runs = tuple(read_runs(folder, SHOWN_RUNS))
    metric = next((run.metric for run in runs if run.metric), None)
    # One axis shows one metric only.
    on_plots = [run for run in reversed(runs) if run.metric in (metric, None)]
    served, compared = served_points(on_plots), compared_points(on_plots)
    return TrainingPage(
        versions=tuple(list_versions(folder, unreadable_left_out=True)),
        runs=tuple(ComparedRun(run, _bars(run)) for run in runs),
        metric=metric,
        served=plot_of(on_plots, served, from_zero=False) if served else None,
        compared=plot_of(on_plots, compared) if compared else None,
    )


def _bars(run: TrainingRun) -> tuple[Bar | None, ...]:
    """Return the interval of each variant, on one scale."""
    measured = [each.metric for each in run.compared]
    scale = Scale.of([each.high for each in measured if each is not None])
    return tuple(None if each is None else scale.bar(each.low, each.mean, each.high) for each in measured)
