"""Positions of the metrics of training runs on a plot over time."""

import math

import pytest

from recommender.api.explorer.plots import HEIGHT, WIDTH, compared_points, plot_of, served_points
from recommender.model_store.runs import MetricInterval, TrainingOutcome, TrainingRun
from tests.support.training_history import CHALLENGER, DEFAULT, POPULARITY, run, variant

HIGH, LOW = variant(CHALLENGER, "ease", 0.3), variant(DEFAULT, "neighbours", 0.1)


def runs(count: int) -> list[TrainingRun]:
    return [run(number, HIGH, (LOW, variant(POPULARITY, None, 0.05))) for number in range(1, count + 1)]


def test_marks_go_from_the_left_to_the_right_in_the_order_of_the_runs() -> None:
    shown = runs(4)
    plot = plot_of(shown, served_points(shown))
    positions = [mark.x for mark in plot.marks]
    assert positions == sorted(set(positions))
    assert positions[0] > 0
    assert positions[-1] < WIDTH
    assert [mark.point.run.number for mark in plot.marks] == [1, 2, 3, 4]


def test_a_larger_measure_stands_higher_and_its_interval_is_around_it() -> None:
    shown = runs(1)
    high, low, _ = plot_of(shown, compared_points(shown)).marks
    assert high.mean < low.mean
    assert 0 < high.high < high.mean < high.low < HEIGHT


def test_heights_are_in_proportion_from_0_to_the_largest_value_of_the_axis() -> None:
    shown = runs(2)
    plot = plot_of(shown, compared_points(shown))
    bottom, top = plot.values[0], plot.values[-1]
    assert (bottom.text, float(top.text) >= 0.32) == ("0", True)
    mark = plot.marks[0]
    share = (bottom.position - mark.mean) / (bottom.position - top.position)
    assert share == pytest.approx(0.3 / float(top.text), abs=0.001)


@pytest.mark.parametrize("most", [1e-9, 0.003, 0.0821, 0.1, 0.25, 0.26, 0.999, 1.0, 7.0])
def test_the_axis_holds_every_value_and_has_few_numbers(most: float) -> None:
    chosen = HIGH.model_copy(update={"metric": MetricInterval(mean=most / 2, low=0.0, high=most)})
    shown = [run(1, chosen, ())]
    values = plot_of(shown, served_points(shown)).values
    assert 2 <= len(values) <= 6
    assert float(values[-1].text) >= most * (1 - 1e-9)
    assert len({value.text for value in values}) == len(values)


@pytest.mark.parametrize(
    ("low", "high"), [(0.2215, 0.2374), (0.0, 0.1), (0.999, 1.0), (-0.01, 0.02), (0.2, 0.2)]
)
def test_an_axis_that_does_not_begin_at_0_holds_the_intervals_and_little_more(
    low: float, high: float
) -> None:
    chosen = HIGH.model_copy(update={"metric": MetricInterval(mean=low, low=low, high=high)})
    shown = [run(1, chosen, ())]
    plot = plot_of(shown, served_points(shown), from_zero=False)
    first, last = float(plot.values[0].text), float(plot.values[-1].text)
    assert first <= low + 1e-9
    assert last >= high - 1e-9
    if high > low:
        assert last - first <= 3 * (high - low)
        (mark,) = plot.marks
        assert mark.low - mark.high > HEIGHT / 4


def test_an_axis_of_nothing_but_zeros_is_drawn() -> None:
    chosen = HIGH.model_copy(update={"metric": MetricInterval(mean=0.0, low=0.0, high=0.0)})
    shown = [run(1, chosen, ())]
    assert [value.text for value in plot_of(shown, served_points(shown)).values] == ["0", "1"]


def test_each_model_is_a_series_and_a_variant_without_a_model_is_its_own() -> None:
    shown = runs(2)
    plot = plot_of(shown, compared_points(shown))
    assert plot.series == ("ease", "neighbours", POPULARITY)
    assert [mark.series for mark in plot.marks] == [0, 1, 2, 0, 1, 2]
    assert len(plot.courses) == 3


def test_the_line_of_a_model_follows_its_best_mark() -> None:
    worse = variant("ease 40/60", "ease", 0.2)
    shown = [run(number, HIGH, (worse,)) for number in (1, 2)]
    plot = plot_of(shown, compared_points(shown))
    best = [mark for mark in plot.marks if mark.point.variant.name == CHALLENGER]
    assert plot.courses == (" ".join(f"{mark.x},{mark.mean}" for mark in best),)


def test_the_mark_of_a_new_champion_is_filled() -> None:
    shown = [run(1, LOW, (HIGH,)), run(2, HIGH, (LOW,), outcome=TrainingOutcome.PUBLISHED)]
    points = served_points(shown)
    assert [(point.variant.name, point.is_filled) for point in points] == [
        (DEFAULT, False),
        (CHALLENGER, True),
    ]


def test_the_mark_of_the_variant_that_served_afterwards_is_filled() -> None:
    assert [point.is_filled for point in compared_points(runs(1))] == [True, False, False]


def test_a_run_that_measured_nothing_has_its_step_and_no_mark() -> None:
    shown = [*runs(1), run(2, HIGH, (), compared=()), run(3, HIGH, ())]
    plot = plot_of(shown, served_points(shown))
    ((x, unmeasured),) = plot.unmeasured
    assert unmeasured.number == 2
    assert plot.marks[0].x < x < plot.marks[1].x


def test_a_refused_variant_and_figures_that_are_no_numbers_have_no_mark() -> None:
    broken = LOW.model_copy(update={"metric": MetricInterval(mean=0.1, low=0.0, high=math.inf)})
    shown = [run(1, HIGH, (variant("als 40/60", "als"), broken))]
    assert [point.variant.name for point in compared_points(shown)] == [CHALLENGER]


def test_dates_are_few_and_not_repeated_in_a_row() -> None:
    shown = runs(30)
    dates = [label.text for label in plot_of(shown, served_points(shown)).dates]
    assert (len(dates), dates[0], dates[-1]) == (5, "2026-11-02", "2026-12-01")
    same_day = [each.model_copy(update={"started_at": shown[0].started_at}) for each in shown]
    assert [label.text for label in plot_of(same_day, served_points(same_day)).dates] == ["2026-11-02"]


@pytest.mark.parametrize(
    ("low", "high"), [(-1e308, 1e308), (0.0, 5e-324), (1.0, math.nextafter(1.0, 2.0)), (-1e9, 1e9)]
)
def test_figures_of_any_size_can_be_drawn_or_are_left_out(low: float, high: float) -> None:
    odd = HIGH.model_copy(update={"metric": MetricInterval(mean=high, low=low, high=high)})
    shown = [run(1, odd, (LOW,))]
    for from_zero in (True, False):
        plot = plot_of(shown, compared_points(shown), from_zero=from_zero)
        assert all(
            0 <= height <= HEIGHT for mark in plot.marks for height in (mark.low, mark.mean, mark.high)
        )
