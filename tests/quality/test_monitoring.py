"""Alert rules and dashboard are well formed, and use metrics that a real server has."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from config.setting_types import ROOT
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls
from tests.support.reference import Reference

FOLDER = ROOT / "docs" / "monitoring"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in PANELS for target in panel["targets"]
]

# Labels that Prometheus adds.
TARGET = {"instance", "job"}

Samples = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def service(shared_databases: Urls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """Serve with an experiment that every user is in."""
    experiments = tmp_path_factory.mktemp("experiments") / "experiments.toml"
    experiments.write_text("[everyone.variants.control]\nshare = 1.0\n")
    with running_gunicorn(shared_databases, EXPERIMENTS_PATH=str(experiments)) as service:
        yield service


@pytest.fixture(scope="module")
def samples(service: GunicornServer, reference: Reference) -> Samples:
    """Return the values of each label, by the name of the sample."""
    service.ask(f"/api/recommendations/{reference.users[0]}")
    found: Samples = {}
    for family in text_string_to_metric_families(service.ask("/metrics").body.decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def selectors(expression: str) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return each metric of an expression, with the matchers in its braces."""
    return [
        (name, re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', matchers))
        for name, matchers in re.findall(r"\b(marquee_\w+)(?:\{([^}]*)\})?", expression)
    ]


def stem(name: str) -> str:
    """Return the metric that a sample belongs to."""
    return re.sub("_(bucket|count|sum)$", "", name)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_label_and_value_asked_for_exists(expression: str, samples: Samples) -> None:
    assert selectors(expression)
    for name, matchers in selectors(expression):
        assert name in samples
        for label, operator, value in matchers:
            if label in TARGET:
                continue
            assert label in samples[name]
            if operator == "=~":
                assert any(re.fullmatch(value, each) for each in samples[name][label])
            else:
                assert value in samples[name][label]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_group_by_labels_that_exist_and_close_what_they_open(
    expression: str, samples: Samples
) -> None:
    assert all(
        expression.count(opening) == expression.count(closing) for opening, closing in ("()", "{}", "[]")
    )
    known = {*TARGET, *itertools.chain.from_iterable(samples[name] for name, _ in selectors(expression))}
    for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        assert {label.strip() for label in group.split(",")} <= known


def test_every_metric_is_on_the_dashboard(samples: Samples) -> None:
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    shown = {stem(name) for expression in expressions for name, _ in selectors(expression)}
    assert {stem(name) for name in samples} <= shown


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alerts_are_complete(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch("Marquee[A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description"}


def seconds(duration: str) -> int:
    """Return the length of a duration of Prometheus."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[duration[-1]]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alerts_of_rates_are_not_raised_by_a_single_moment(rule: dict[str, Any]) -> None:
    """A rate stays above its limit for its window after the last event, so that `for` must be longer."""
    for window in re.findall(r"\brate\([^\[]*\[(\w+)\]", rule["expr"]):
        assert seconds(window) < seconds(rule["for"])
        assert seconds(window) >= 120, "two samples, if scraped each minute"


def test_shares_of_errors_do_not_count_the_requests_of_monitors() -> None:
    (errors,) = (rule["expr"] for rule in RULES if rule["alert"] == "MarqueeErrors")
    for name, matchers in selectors(errors):
        (asked,) = (value for label, _, value in matchers if label == "endpoint")
        assert re.fullmatch(asked, "/api/recommendations/<user_id>"), name
        assert not any(re.fullmatch(asked, probe) for probe in ("/health", "/ready", "/metrics"))


def test_alerts_are_named_once_and_explained_once_in_the_guide() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    guide = (ROOT / "docs" / "how-to" / "monitor.md").read_text()
    assert sorted(re.findall(r"^\| `(Marquee\w+)` \|", guide, re.MULTILINE)) == sorted(names)


def test_every_metric_is_in_the_reference_once_and_no_other(samples: Samples) -> None:
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    documented = re.findall(r"^\| `(marquee_\w+)` \|", reference, re.MULTILINE)
    assert sorted(documented) == sorted({stem(name) for name in samples})


def test_every_metric_that_the_documents_name_exists(samples: Samples) -> None:
    known = {stem(name) for name in samples}
    for document in (ROOT / "docs").rglob("*.md"):
        assert set(re.findall(r"`(marquee_\w+)`", document.read_text())) <= known, document.name


def test_the_dashboard_can_be_imported() -> None:
    (given,) = DASHBOARD["__inputs"]
    assert (given["name"], given["pluginId"]) == ("DS_PROMETHEUS", "prometheus")
    assert DASHBOARD["id"] is None
    assert DASHBOARD["title"] == "Marquee"
    assert DASHBOARD["schemaVersion"] >= 36
    source = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    for part in [*PANELS, *DASHBOARD["templating"]["list"], *(t for p in PANELS for t in p["targets"])]:
        assert part["datasource"] == source
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    types = {required["id"] for required in DASHBOARD["__requires"] if required["type"] == "panel"}
    assert {panel["type"] for panel in PANELS} == types


def test_panels_lie_side_by_side_on_the_grid_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
            )
        )
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
