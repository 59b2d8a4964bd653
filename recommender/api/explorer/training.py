"""What the page shows of models: the champion, the versions, and training runs with a plot over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recommender.evaluation.report import Bar, Scale
from recommender.model_store.runs import Interval, Outcome, TrainingRun, read_runs
from recommender.model_store.store import StoredVersion, list_versions

SHOWN_RUNS = 30
# Of the plot, in the units of its drawing.
PLOT_WIDTH, PLOT_HEIGHT = 640, 160
_MARGIN = 12.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A run's measure on the plot over time: `x`, and from the top the heights of mean and interval."""

    run: TrainingRun
    measured: Interval
    x: float
    mean: float
    low: float
    high: float

    @property
    def is_published(self) -> bool:
        """Whether a challenger won."""
        return self.run.outcome is Outcome.PUBLISHED


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run, with an interval drawn for each variant that it measured, in their order."""

    run: TrainingRun
    bars: tuple[Bar | None, ...]


@dataclass(frozen=True, slots=True)
class TrainingPage:
    """What is known of models and their training.

    `metric`: of the plot; None where nothing was measured. `marks`: the earliest first. `runs`: the latest
    first. `most`: the top of the plot, whose bottom is 0.
    """

    versions: tuple[StoredVersion, ...]
    runs: tuple[ComparedRun, ...]
    metric: str | None
    marks: tuple[Mark, ...]
    most: float

    @property
    def current(self) -> StoredVersion | None:
        """The version that `MODEL=auto` serves."""
        return next((each for each in self.versions if each.is_current), None)


def read_training(folder: Path) -> TrainingPage:
    """Return what is known of the models in a folder; no database is asked."""
    runs = tuple(read_runs(folder, SHOWN_RUNS))
    metric = next((run.metric for run in runs if run.metric and run.measured_chosen), None)
    marks, most = _marks([run for run in reversed(runs) if run.metric == metric])
    return TrainingPage(
        versions=tuple(list_versions(folder)),
        runs=tuple(ComparedRun(run, _bars(run)) for run in runs),
        metric=metric,
        marks=marks,
        most=most,
    )


def _marks(runs: Sequence[TrainingRun]) -> tuple[tuple[Mark, ...], float]:
    """Return the marks of runs that were measured, evenly apart, and the top of the plot."""
    found = [(run, run.measured_chosen) for run in runs]
    measured = [(run, interval) for run, interval in found if interval is not None]
    most = max((interval.high for _, interval in measured), default=0.0) or 1.0
    step = (PLOT_WIDTH - 2 * _MARGIN) / max(1, len(measured) - 1)

    def height(value: float) -> float:
        share = min(1.0, max(0.0, value / most))
        return round(PLOT_HEIGHT - _MARGIN - share * (PLOT_HEIGHT - 2 * _MARGIN), 1)

    marks = tuple(
        Mark(
            run,
            interval,
            round(_MARGIN + place * step, 1),
            height(interval.mean),
            height(interval.low),
            height(interval.high),
        )
        for place, (run, interval) in enumerate(measured)
    )
    return marks, most


def _bars(run: TrainingRun) -> tuple[Bar | None, ...]:
    """Return the interval of each variant, drawn on one scale."""
    measured = [each.metric for each in run.compared]
    scale = Scale.of([each.high for each in measured if each is not None])
    return tuple(None if each is None else scale.bar(each.low, each.mean, each.high) for each in measured)
