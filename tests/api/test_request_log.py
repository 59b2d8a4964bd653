"""Tests that every request has an id and one line in the log."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from recommender.api.metrics import Metrics
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, get, post_batch, running_app, running_client
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName
BATCH = "/api/recommendations/batch"
UNKNOWN_USER = "11111111-1111-4111-8111-111111111111"
ID = "X-Request-ID"


class Lines:
    """The log lines of a test's requests."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for record in self._caplog.records:
            if record.name == "marquee.access":
                yield {"level": record.levelname, **record.__dict__["fields"]}

    def only(self) -> dict[str, Any]:
        (line,) = self
        return line


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    caplog.set_level(logging.INFO, logger="marquee.access")
    return Lines(caplog)


@pytest.mark.parametrize("given", ["a", "order-66_B.7", "x" * 64])
def test_a_valid_request_id_is_kept(client: FlaskClient, given: str) -> None:
    assert client.get("/health", headers={ID: given}).headers.getlist(ID) == [given]


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "näh", 'a"b', "{}", "a/b", "a,b"])
def test_any_other_request_id_is_replaced(client: FlaskClient, given: str) -> None:
    made = client.get("/health", headers={ID: given}).headers[ID]
    assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_every_request_without_an_id_gets_one_of_its_own(client: FlaskClient) -> None:
    assert client.get("/health").headers[ID] != client.get("/health").headers[ID]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/api/recommendations/{UNKNOWN_USER}", 200),
        ("GET", "/api/recommendations/nobody", 400),
        ("GET", "/nowhere", 404),
        ("DELETE", "/health", 405),
        ("POST", BATCH, 415),
    ],
)
def test_answers_and_errors_have_the_id(client: FlaskClient, method: str, path: str, status: int) -> None:
    response = client.open(path, method=method, headers={ID: "mine"})
    assert (response.status_code, response.headers[ID]) == (status, "mine")


def test_a_get_is_one_line_with_strategy_and_statements(
    client: FlaskClient, reference: Reference, lines: Lines
) -> None:
    user = reference.users[0]
    answer = get(client, user, limit=3)
    line = lines.only()
    assert line.pop("duration_ms") > line.pop("statements_ms") > 0
    assert line == {
        "level": "INFO",
        "method": "GET",
        "endpoint": "/api/recommendations/<user_id>",
        "path": f"/api/recommendations/{user}",
        "status": 200,
        "users": 1,
        "strategies": {answer["strategy"]: 1},
        "degraded": [],
        "model": "live",
        "model_version": None,
        "statements": 5,
    }


def test_a_batch_is_one_line_that_counts_strategies(
    client: FlaskClient, reference: Reference, lines: Lines
) -> None:
    users = reference.users[:150]
    results = post_batch(client, [*users, UNKNOWN_USER])["results"].values()
    line = lines.only()
    assert (line["users"], line["statements"], line["endpoint"]) == (151, 10, BATCH)
    assert sum(line["strategies"].values()) == 151
    for strategy, count in line["strategies"].items():
        assert count == sum(result["strategy"] == strategy for result in results)


def test_a_stream_is_logged_when_it_ends(client: FlaskClient, reference: Reference, lines: Lines) -> None:
    response = client.post(
        BATCH,
        json={"user_ids": reference.users[:250]},
        headers={"Accept": "application/x-ndjson"},
        buffered=False,
    )
    chunks = iter(response.response)
    next(chunks)
    assert list(lines) == []
    assert sum(1 for _ in chunks) == 249
    response.close()
    line = lines.only()
    assert (line["users"], line["statements"], line["status"]) == (250, 15, 200)


def test_a_stream_that_the_client_leaves_is_logged_with_what_was_sent(
    client: FlaskClient, reference: Reference, lines: Lines
) -> None:
    response = client.post(
        BATCH,
        json={"user_ids": reference.users[:250]},
        headers={"Accept": "application/x-ndjson"},
        buffered=False,
    )
    next(iter(response.response))
    response.close()
    response.close()
    assert lines.only()["statements"] == 5


def test_missing_databases_are_logged(databases: Urls, outage: Outage, lines: Lines) -> None:
    with running_client(databases, **NO_CAPS) as client:
        get(client, UNKNOWN_USER)
        outage.stop(USER, ENGAGEMENT)
        get(client, UNKNOWN_USER)
    before, after = lines
    assert before["degraded"] == []
    assert after["degraded"] == ["engagement_db", "user_db"]
    assert after["statements"] > 0, "statements that failed are counted"


@pytest.mark.parametrize("path", [f"/api/recommendations/{UNKNOWN_USER}", "/nowhere"])
def test_no_query_string_is_logged(
    client: FlaskClient, lines: Lines, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    client.get(f"{path}?token=hunter2&limit=77777")
    assert lines.only()["path"] == path
    assert "hunter2" not in caplog.text
    assert "77777" not in caplog.text


def test_a_logged_path_is_one_short_word(client: FlaskClient, lines: Lines) -> None:
    client.get("/a%0Ab%20%E2%82%AC" + "c" * 1000)
    line = lines.only()
    assert line["path"].startswith("/a%0Ab%20%E2%82%ACccc")
    assert len(line["path"]) == 200
    assert line["endpoint"] == "none"


def test_a_fault_is_a_warning_with_the_id_of_the_trace(
    shared_databases: Urls, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    with running_app(shared_databases) as app:

        @app.get("/fault")
        def fault() -> Any:
            raise RuntimeError("the reason")

        response = app.test_client().get("/fault", headers={ID: "mine"})
    assert (response.status_code, response.headers[ID]) == (500, "mine")
    line = lines.only()
    assert (line["level"], line["status"], line["endpoint"]) == ("WARNING", 500, "/fault")
    assert "RuntimeError: the reason" in caplog.text


def test_a_request_that_cannot_be_counted_is_still_answered(
    shared_databases: Urls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    with running_app(shared_databases) as app:
        monkeypatch.setattr(Metrics, "request_ends", full)
        assert app.test_client().get("/health").status_code == 200
    assert "No space left on device" in caplog.text


def test_at_the_level_warning_a_good_request_is_not_logged(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="marquee.access")
    client.get("/health")
    assert caplog.records == []
