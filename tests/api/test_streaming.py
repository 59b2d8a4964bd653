"""Tests NDJSON streams: one line for each user, sent when it is ready."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from recommender.api.errors import BreakOff
from recommender.catalog.index import window_start
from recommender.databases.recording import recorded_statements
from recommender.entities import Options, Page, UserRecommendations
from recommender.errors import NothingToRecommendFromError
from recommender.serving import chunks
from tests.support.clients import NO_CAPS, post_batch, running_app
from tests.support.postgres import Urls
from tests.support.reference import Reference

BATCH = "/api/recommendations/batch"
NDJSON = {"Accept": "application/x-ndjson"}


def lines(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def test_a_stream_has_the_answers_of_the_batch(client: FlaskClient, reference: Reference) -> None:
    users = reference.users
    response = client.post(BATCH, json={"user_ids": [*users, users[0]], "limit": 5}, headers=NDJSON)
    assert response.status_code == 200
    assert response.mimetype == "application/x-ndjson"
    batch = post_batch(client, users, limit=5)["results"]
    assert lines(response.data) == [{"user_id": user, **batch[user]} for user in users]


def test_a_stream_takes_more_users_than_a_batch(client: FlaskClient) -> None:
    users = [f"00000000-0000-4000-8000-{number:012}" for number in range(30_000)]
    body = {"user_ids": users, "limit": 1}
    assert client.post(BATCH, json=body).status_code in (400, 413)
    response = client.post(BATCH, json=body, headers=NDJSON, buffered=False)
    (first,) = lines(bytes(next(response.iter_encoded())))
    assert (first["user_id"], first["strategy"], first["count"]) == (users[0], "popular", 1)
    response.close()


def test_too_many_users_for_a_stream_are_refused(client: FlaskClient) -> None:
    response = client.post(BATCH, json={"user_ids": ["x"] * 100_001}, headers=NDJSON)
    assert response.status_code == 400
    assert "1 to 100000 ids" in response.get_json()["error"]


@pytest.mark.parametrize(("headers", "limit"), [({}, 1 << 20), (NDJSON, 8 << 20)])
def test_the_limit_applies_to_a_chunked_body(
    client: FlaskClient, headers: dict[str, str], limit: int
) -> None:
    user = "00000000-0000-4000-8000-000000000000"
    body = json.dumps({"user_ids": [user]}).encode()
    for size, status in ((limit, 200), (limit + 1, 413)):
        response = client.post(
            BATCH,
            input_stream=BytesIO(body.ljust(size)),
            content_type="application/json",
            headers={"Transfer-Encoding": "chunked", **headers},
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert response.status_code == status


def test_a_body_that_breaks_off_is_a_bad_request(client: FlaskClient) -> None:
    class Broken(BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError("Invalid chunk size: b'zz'")

        readinto = read  # type: ignore[assignment]  # every way to read it fails

    response = client.post(
        BATCH,
        input_stream=Broken(b"x"),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert response.status_code == 400
    assert response.get_json() == {"error": "the body breaks off or is malformed", "code": "invalid_body"}


def test_a_client_that_goes_away_stops_the_work(client: FlaskClient, reference: Reference) -> None:
    with recorded_statements() as statements:
        response = client.post(BATCH, json={"user_ids": reference.users}, headers=NDJSON, buffered=False)
        next(iter(response.response))
        response.close()
    assert len(reference.users) > 200
    assert len(statements) == 5, "those of the first hundred users"


def test_the_window_moves_while_a_long_list_is_answered(
    client: FlaskClient, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[str] = []

    def recorded(window_days: int, now: datetime) -> str:
        starts.append(window_start(window_days, now))
        return starts[-1]

    monkeypatch.setattr(chunks, "window_start", recorded)
    service = client.application.extensions["container"].service
    assert len(list(service.recommend(reference.users[:250], Page(1)))) == 250
    assert len(set(starts)) == 3


def test_an_error_in_the_middle_is_reported_in_the_last_line(
    shared_databases: Urls, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_app(shared_databases, **NO_CAPS) as app:
        service = app.extensions["container"].service
        in_chunks = service.recommend_in_chunks

        def breaking_off(user_ids: list[str], page: Page, _: Options) -> Iterator[list[UserRecommendations]]:
            yield from in_chunks(user_ids[:2], page)
            raise RuntimeError("the secret reason")

        monkeypatch.setattr(service, "recommend_in_chunks", breaking_off)
        response = app.test_client().post(BATCH, json={"user_ids": reference.users[:5]}, headers=NDJSON)
    *whole, last = lines(response.data)
    assert [line["user_id"] for line in whole] == reference.users[:2]
    assert set(last) == {"error", "code"}
    assert last["code"] == "internal_error"
    assert "secret" not in last["error"]


@pytest.mark.parametrize("reason", [BreakOff.TOO_LONG, BreakOff.STOPPING])
def test_a_stream_that_is_ended_reports_it_in_the_last_line(
    shared_databases: Urls, reference: Reference, reason: BreakOff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app._STOPPING_S", 0.0)
    with running_app(shared_databases, MAX_STREAM_SECONDS="1") as app:
        response = app.test_client().post(
            BATCH, json={"user_ids": reference.users[:5]}, headers=NDJSON, buffered=False
        )
        chunks = response.iter_encoded()
        received = next(chunks)
        assert app.extensions["limiters"].streams.occupancy.open == 1
        if reason is BreakOff.STOPPING:
            app.extensions["limiters"].stream_end.stop()
        else:
            time.sleep(1)
        received += b"".join(chunks)
        assert app.extensions["limiters"].streams.occupancy.open == 0
    whole, last = lines(received)
    assert whole["user_id"] == reference.users[0]
    assert last["code"] == "service_unavailable"
    assert reason in last["error"]


def test_a_stream_whose_time_ends_while_it_waits_for_its_turn_says_so(
    shared_databases: Urls, reference: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    users = reference.users[:150]
    # Long enough for the first 100 users, also on a busy machine.
    with running_app(shared_databases, MAX_STREAM_SECONDS="4") as app:
        response = app.test_client().post(BATCH, json={"user_ids": users}, headers=NDJSON, buffered=False)
        sent = response.iter_encoded()
        received = next(sent)
        with app.extensions["limiters"].streams.permit():
            received += b"".join(sent)
    *whole, last = lines(received)
    assert [line["user_id"] for line in whole] == users[:100]
    assert last["code"] == "service_unavailable"
    assert BreakOff.TOO_LONG in last["error"]
    assert "broke off" not in caplog.text


def test_a_stream_that_waits_for_its_turn_ends_when_the_process_stops(
    shared_databases: Urls, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app._STOPPING_S", 0.2)
    users = reference.users[:150]
    with running_app(shared_databases, MAX_STREAM_SECONDS="20") as app:
        response = app.test_client().post(BATCH, json={"user_ids": users}, headers=NDJSON, buffered=False)
        sent = response.iter_encoded()
        received = b"".join(next(sent) for _ in range(100))
        with app.extensions["limiters"].streams.permit():
            app.extensions["limiters"].stream_end.stop()
            started = time.monotonic()
            received += b"".join(sent)
            assert time.monotonic() - started < 5
    *whole, last = lines(received)
    assert [line["user_id"] for line in whole] == users[:100]
    assert BreakOff.STOPPING in last["error"]


def test_a_stream_that_gets_its_turn_after_the_stop_computes_nothing_more(
    shared_databases: Urls, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app._STOPPING_S", 0.2)
    with running_app(shared_databases, MAX_STREAM_SECONDS="20") as app:
        streams, stream_end = (
            getattr(app.extensions["limiters"], name) for name in ("streams", "stream_end")
        )
        body = {"user_ids": reference.users[:150]}
        response = app.test_client().post(BATCH, json=body, headers=NDJSON, buffered=False)
        sent = response.iter_encoded()
        for _ in range(100):
            next(sent)
        busy = ExitStack()
        busy.enter_context(streams.permit())
        stream_end.stop()
        # Before the waiting stream looks again.
        threading.Timer(0.3, busy.close).start()
        (last,) = lines(b"".join(sent))
    assert BreakOff.STOPPING in last["error"]


def test_an_error_before_the_first_line_has_its_status(
    shared_databases: Urls, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_app(shared_databases) as app:

        def nothing(*_: object) -> Iterator[UserRecommendations]:
            raise NothingToRecommendFromError
            yield

        monkeypatch.setattr(app.extensions["container"].service, "recommend_in_chunks", nothing)
        response = app.test_client().post(BATCH, json={"user_ids": reference.users[:5]}, headers=NDJSON)
    assert response.status_code == 503
    assert response.get_json()["code"] == "service_unavailable"
