"""Computes plots of training runs over time: coordinates of marks, lines and labels."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from recommender.model_store.runs import ComparedVariant, MetricInterval, TrainingRun

# Size of a plot and its margins, in SVG units.
WIDTH, HEIGHT = 760, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 24.0, 14.0, 34.0
_MOST_TICKS, _MOST_DATES = 5, 5
_ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_DATE_CHARACTERS = 10
# Larger values are not drawn; a smaller range of values is drawn as a point.
_LARGEST, _LEAST_STRETCH = 1e9, 1e-12


class Point(NamedTuple):
    """A variant that a run measured. `is_filled`: its mark is filled, not hollow."""

    run: TrainingRun
    variant: ComparedVariant
    measured: MetricInterval
    is_filled: bool

    @property
    def label(self) -> str:
        """Return the label in the legend: the model, or the variant's name if it has no model."""
        return self.variant.model or self.variant.name


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on a plot, in SVG units from the top left. `series`: index into the legend."""

    point: Point
    series: int
    x: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Label:
    """A number or date on an axis, and its coordinate."""

    position: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Marks over time, one step for each run.

    `series`: labels of the legend. `courses`: for each of them, the points of a line through its best mark
    in each run. `unmeasured`: x and run, for runs without a measurement.
    """

    series: tuple[str, ...]
    marks: tuple[Mark, ...]
    courses: tuple[str, ...]
    values: tuple[Label, ...]
    dates: tuple[Label, ...]
    unmeasured: tuple[tuple[float, TrainingRun], ...]


def served_points(runs: Sequence[TrainingRun]) -> list[Point]:
    """Return what served after each run, if measured; filled if it was a new champion."""
    return [
        Point(run, each, measured, run.is_new_champion)
        for run in runs
        for each, measured in _measured(run)
        if each.name == run.chosen
    ]


def compared_points(runs: Sequence[TrainingRun]) -> list[Point]:
    """Return all variants that were measured; filled if they served afterwards."""
    return [
        Point(run, each, measured, each.name == run.chosen)
        for run in runs
        for each, measured in _measured(run)
    ]


def plot_of(runs: Sequence[TrainingRun], points: Sequence[Point], *, from_zero: bool = True) -> Plot:
    """Return the plot of the points of some runs.

    Args:
        runs: the earliest first; one step each, also those without a measurement.
        points: of these runs, at least one.
        from_zero: whether the axis begins at 0. Else it begins near the lowest interval.
    """
    series = tuple(dict.fromkeys(point.label for point in points))
    least = 0.0 if from_zero else min(point.measured.low for point in points)
    ticks = _round_values(least, max(point.measured.high for point in points))
    x_of = {run.number: _x(idx, len(runs)) for idx, run in enumerate(runs)}
    marks = tuple(
        Mark(
            point,
            series.index(point.label),
            x_of[point.run.number],
            *(_y(value, ticks) for value in (point.measured.mean, point.measured.low, point.measured.high)),
        )
        for point in points
    )
    seen = {point.run.number for point in points}
    return Plot(
        series=series,
        marks=marks,
        courses=tuple(_course(marks, idx) for idx in range(len(series))),
        values=tuple(Label(_y(value, ticks), f"{value:g}") for value in ticks),
        dates=tuple(_dates(runs)),
        unmeasured=tuple((x_of[run.number], run) for run in runs if run.number not in seen),
    )


def _measured(run: TrainingRun) -> Iterator[tuple[ComparedVariant, MetricInterval]]:
    """Yield the variants that a run measured, except values that cannot be drawn."""
    for each in run.compared:
        found = each.metric
        if found is not None and all(abs(each) <= _LARGEST for each in (found.mean, found.low, found.high)):
            yield each, found


def _x(idx: int, steps: int) -> float:
    if steps == 1:
        return (_LEFT + WIDTH - _RIGHT) / 2
    return round(_LEFT + idx * (WIDTH - _LEFT - _RIGHT) / (steps - 1), 1)


def _y(value: float, ticks: Sequence[float]) -> float:
    share = min(1.0, max(0.0, (value - ticks[0]) / (ticks[-1] - ticks[0])))
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def _round_values(least: float, most: float) -> list[float]:
    """Return evenly spaced round values that cover `least` to `most`."""
    if most - least <= _LEAST_STRETCH * max(1.0, abs(most)):
        return [0.0, most if most > 0 else 1.0]
    rough = (most - least) / (_MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * each for each in _ROUND_STEPS if power * each >= rough), 10 * power)
    return [step * number for number in range(math.floor(least / step), math.ceil(most / step) + 1)]


def _dates(runs: Sequence[TrainingRun]) -> Iterator[Label]:
    """Yield the dates of evenly chosen runs, first and last included, without repeats."""
    shown = min(len(runs), _MOST_DATES)
    former = None
    for number in range(shown):
        idx = round(number * (len(runs) - 1) / max(1, shown - 1))
        date = runs[idx].started_at[:_DATE_CHARACTERS]
        if date != former:
            yield Label(_x(idx, len(runs)), date)
        former = date


def _course(marks: Sequence[Mark], series: int) -> str:
    """Return the points of a line through the best mark of a series in each run."""
    best: dict[float, float] = {}
    for mark in marks:
        if mark.series == series:
            best[mark.x] = min(mark.mean, best.get(mark.x, math.inf))
    return " ".join(f"{x},{y}" for x, y in best.items())
