"""Tests that every request has an id and one line in the log."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient

from recommender.api.metrics import Metrics
from recommender.entities import DatabaseName, Options, Page, UserRecommendations
from recommender.errors import NothingToRecommendFromError
from tests.support.clients import NO_CAPS, get, post_batch, running_app, running_client
from tests.support.gunicorn import sum_of
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


BreakingOff = Callable[[str], AbstractContextManager[tuple[FlaskClient, dict[str, Any]]]]


@pytest.fixture
def client_of_streams(
    shared_databases: Urls, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> BreakingOff:
    """Serve streams that break off after two users, for a reason, and yield the body to send."""
    monkeypatch.setattr("app._STOPPING_S", 0.0)

    @contextmanager
    def serve(reason: str) -> Iterator[tuple[FlaskClient, dict[str, Any]]]:
        with running_app(shared_databases, **NO_CAPS) as app:
            service = app.extensions["container"].service
            in_chunks = service.recommend_in_chunks

            def breaking_off(
                user_ids: list[str], page: Page, _: Options
            ) -> Iterator[list[UserRecommendations]]:
                yield from in_chunks(user_ids[:2], page)
                if reason == "fault":
                    raise RuntimeError
                app.extensions["limiters"].stream_end.stop()
                yield from in_chunks(user_ids[2:3], page)

            monkeypatch.setattr(service, "recommend_in_chunks", breaking_off)
            yield app.test_client(), {"user_ids": reference.users[:5]}

    return serve


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


def test_an_answer_that_the_kernel_cannot_take_at_once_is_logged_when_it_is_sent(
    shared_databases: Urls, lines: Lines
) -> None:
    with running_app(shared_databases) as app:
        app.add_url_rule("/answer/<int:size>", view_func=lambda size: b"x" * size)
        client = app.test_client()
        client.get("/answer/200000", buffered=False)
        assert lines.only()["path"] == "/answer/200000"
        response = client.get("/answer/300000", buffered=False)
        in_flight = sum_of(client.get("/metrics").text, "marquee_requests_in_flight", {})
        assert in_flight == 2, "and the request for the metrics"
        time.sleep(0.1)
        assert len(response.data) == 300_000
        response.close()
    (line,) = (each for each in lines if each["path"] == "/answer/300000")
    assert line["duration_ms"] >= 100


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


@pytest.mark.parametrize(("reason", "level"), [("fault", "WARNING"), ("stopping", "INFO")])
def test_a_stream_that_breaks_off_is_logged_and_counted_with_the_reason(
    client_of_streams: BreakingOff, lines: Lines, reason: str, level: str
) -> None:
    with client_of_streams(reason) as (client, body):
        answer = client.post(BATCH, json=body, headers={"Accept": "application/x-ndjson"})
        assert "breaks off here" in answer.text
        answer.close()
        line = lines.only()
        text = client.get("/metrics").text
    assert (line["level"], line["status"], line["broken_off"]) == (level, 200, reason)
    for each in ("fault", "stopping", "too_long"):
        assert sum_of(text, "marquee_streams_broken_off_total", {"reason": each}) == (each == reason)


def test_users_of_a_batch_that_fails_on_the_way_do_not_count_as_answered(
    shared_databases: Urls, reference: Reference, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_app(shared_databases, **NO_CAPS) as app:
        service = app.extensions["container"].service
        recommend = service.recommend

        def failing(user_ids: list[str], page: Page, options: Options) -> Iterator[UserRecommendations]:
            yield from recommend(user_ids[:2], page, options)
            raise NothingToRecommendFromError

        monkeypatch.setattr(service, "recommend", failing)
        client = app.test_client()
        before = sum_of(client.get("/metrics").text, "marquee_answers_total", {})
        assert client.post(BATCH, json={"user_ids": reference.users[:5]}).status_code == 503
        assert sum_of(client.get("/metrics").text, "marquee_answers_total", {}) == before
    (line,) = (each for each in lines if each["status"] == 503)
    assert "users" not in line
    assert line["statements"] > 0


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
