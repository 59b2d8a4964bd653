"""A comparison as one self-contained HTML page without scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recommender.evaluation.results import (
    ALL_USERS,
    LONGER_HISTORY,
    NEW_USERS,
    SHORT_HISTORY,
    THE_MODEL_ALONE,
    WITH_HISTORY,
    Evaluation,
    MetricDifference,
    VariantResult,
    Verdict,
)
from recommender.evaluation.shown_metrics import shown_metric
from recommender.evaluation.variants import DEFAULT, POPULARITY

_TEMPLATES = Path(__file__).parent / "templates"
STYLE_SHEET = _TEMPLATES / "report.css"
# Of the plots, in SVG units.
_PLOT_WIDTH = 1_000.0
_GROUP_WORDS = {
    "light": "Light users (the third with the shortest histories)",
    "middle": "Middle users",
    "heavy": "Heavy users (the third with the longest histories)",
    NEW_USERS: "New users (no history before the test)",
    SHORT_HISTORY: "Users with a short history (fewer items than MIN_HISTORY)",
    LONGER_HISTORY: "Users with a longer history",
    WITH_HISTORY: "Users with a history",
    ALL_USERS: "All users of the test",
}
_BEYOND = ("coverage", "diversity", "novelty", "popularity", "gini", "miscalibration")


@dataclass(frozen=True, slots=True)
class Bar:
    """A drawn mean with its interval: x coordinates, from 0 to the plot's width."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale of a plot, from `least` at its left end to `most` at its right."""

    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Scale":
        """Return a scale that includes the values and 0, with a margin on the right."""
        least, most = min([0.0, *values]), max([0.0, *values])
        return cls(least, most + 0.02 * ((most - least) or 1.0))

    def at(self, value: float) -> float:
        """Return the x coordinate of a value."""
        return round(_PLOT_WIDTH * (value - self.least) / (self.most - self.least), 1)

    def bar(self, low: float, mean: float, high: float) -> Bar:
        """Return the x coordinates of an interval."""
        return Bar(self.at(low), self.at(mean), self.at(high))


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A difference in words and drawn. `about`: the variant or users. `zero`: the x coordinate of 0."""

    about: str
    difference: MetricDifference
    bar: Bar
    zero: float
    users: int


def render_page(evaluation: Evaluation) -> str:
    """Return the page."""
    return _environment().get_template("report.html").render(level=1, **_template_variables(evaluation))


def render_body(evaluation: Evaluation) -> str:
    """Return the page's content as a fragment for a page that includes `STYLE_SHEET`."""
    return _environment().get_template("body.html").render(level=2, **_template_variables(evaluation))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "signed": _signed, "word": _word}
    return environment


def _template_variables(evaluation: Evaluation) -> dict[str, Any]:
    measured = evaluation.measured
    best, metric = measured[0], evaluation.metric
    k = metric.partition("@")[2]
    intervals = [evaluation.of_group(each).metrics[metric] for each in measured]
    scale = Scale.of([each.high for each in intervals])
    return {
        "about": evaluation.description,
        "evaluation": evaluation,
        "measured": measured,
        "best": best,
        "metric": metric,
        "metric_name": shown_metric(metric),
        "group": _GROUP_WORDS[evaluation.group],
        "sentences": _sentences(evaluation, best),
        "bars": [scale.bar(each.low, each.mean, each.high) for each in intervals],
        "popularity": POPULARITY.name,
        "default": DEFAULT.name,
        "for_whom": _for_whom(evaluation, best),
        "blends": _blends(evaluation),
        "beyond": [f"{name}@{k}" for name in _BEYOND],
        "metrics": list(evaluation.of_group(best).metrics),
        "shown_metric": shown_metric,
        "plot_width": int(_PLOT_WIDTH),
    }


def _sentences(evaluation: Evaluation, best: VariantResult) -> list[str]:
    """Return the summary; it claims a difference only if the interval excludes 0."""
    metric = evaluation.metric
    group = evaluation.of_group(best)
    found = []
    for baseline, words in ((POPULARITY.name, "recommending what is popular"), (DEFAULT.name, "the default")):
        if baseline in evaluation.baselines and baseline != best.name:
            difference = group.as_best(baseline, metric)
            base = group.metrics[metric].mean - difference.mean
            found.append(_claim(best.name, words, difference, base, metric))
    if best.name == POPULARITY.name:
        found.append("No model has a larger mean than recommending what is popular.")
    runner_up = evaluation.measured[1:2]
    found += [f"The next is {each.name}." for each in runner_up]
    return found


def _claim(name: str, baseline: str, difference: MetricDifference, base: float, metric: str) -> str:
    if difference.verdict is Verdict.UNCLEAR:
        return f"These users do not show whether {name} is better than {baseline}."
    # The ends of the interval are not shares of the baseline: its mean varies, too.
    share = f" by {abs(difference.mean) / base:.0%}" if base > 0 else ""
    low, high = _signed(difference.low), _signed(difference.high)
    interval = f"95 % interval of the difference in {shown_metric(metric)}: {low} to {high}"
    return f"{name} is {difference.verdict.value} than {baseline}{share} ({interval})."


def _for_whom(evaluation: Evaluation, best: VariantResult) -> list[ComparedRow]:
    """Return how the best differs from popularity, for each group of users."""
    if best.name == POPULARITY.name:
        return []
    rows = [
        (_GROUP_WORDS[name], group.as_best(POPULARITY.name, evaluation.metric), group.users)
        for name, group in best.groups.items()
    ]
    return _drawn(rows)


def _blends(evaluation: Evaluation) -> list[ComparedRow]:
    """Return how each blend with content differs from its model alone."""
    alone = {each.model for each in evaluation.measured if not each.content_weight}
    rows = []
    for each in evaluation.measured:
        if each.content_weight and each.model in alone:
            group = evaluation.of_group(each)
            rows.append((each.name, group.against[THE_MODEL_ALONE][evaluation.metric], group.users))
    return _drawn(rows)


def _drawn(rows: Sequence[tuple[str, MetricDifference, int]]) -> list[ComparedRow]:
    if not rows:
        return []
    scale = Scale.of([end for _, each, _ in rows for end in (each.low, each.high)])
    return [
        ComparedRow(about, each, scale.bar(each.low, each.mean, each.high), scale.at(0.0), users)
        for about, each, users in rows
    ]


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _word(difference: MetricDifference) -> str:
    return difference.verdict.value
