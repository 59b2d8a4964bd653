"""Tests that a caller over the rate limit gets 429 with Retry-After, and cannot forge an identity."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient
from limits.strategies import FixedWindowRateLimiter
from werkzeug.test import TestResponse

from config.access_settings import KeyScope
from recommender.api.concurrency import OverloadedError
from recommender.auth_keys import make_key
from recommender.entities import DatabaseName
from tests.support.clients import PATIENT, running_app, running_client
from tests.support.postgres import Urls
from tests.support.redis import RedisServer, redis_binary

# Refused before any statement.
NOWHERE: Urls = dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere")
PATH = "/nothing"
# A proxy needs keys, or this.
PROXIED = {"TRUSTED_PROXIES": "1", "ALLOW_ANONYMOUS": "true"}
ONE, ONE_ENTRY = make_key("one", [KeyScope.READ])
TWO, TWO_ENTRY = make_key("two", [KeyScope.READ])
NEW_ONE, NEW_ONE_ENTRY = make_key("one", [KeyScope.READ])
ENTRIES = ",".join(key.entry for key in (ONE_ENTRY, TWO_ENTRY, NEW_ONE_ENTRY))


def ask(client: FlaskClient, address: str = "192.0.2.1", **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(PATH, headers=sent, environ_base={"REMOTE_ADDR": address})


def statuses(client: FlaskClient, times: int, address: str = "192.0.2.1", **headers: str) -> list[int]:
    return [ask(client, address, **headers).status_code for _ in range(times)]


def test_more_than_the_rate_is_429_with_when_to_try_again() -> None:
    with running_client(NOWHERE, RATE_LIMIT="3/minute") as client:
        allowed = [ask(client) for _ in range(3)]
        refused = ask(client)
    assert [response.headers["X-RateLimit-Remaining"] for response in allowed] == ["2", "1", "0"]
    assert not any("Retry-After" in response.headers for response in allowed)
    assert refused.status_code == 429
    assert refused.get_json()["code"] == "too_many_requests"
    assert set(refused.get_json()) == {"error", "code"}
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-RateLimit-Limit"] == "3"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert 0 <= int(refused.headers["X-RateLimit-Reset"]) - time.time() <= 61


def test_a_retry_after_of_the_answer_itself_is_kept() -> None:
    with running_app(NOWHERE, RATE_LIMIT="3/hour") as app:

        @app.get("/full")
        def full() -> Response:
            raise OverloadedError

        response = app.test_client().get("/full")
    assert (response.status_code, response.headers.getlist("Retry-After")) == (503, ["1"])
    assert response.headers["X-RateLimit-Remaining"] == "2"
    assert "X-RateLimit-Retry-After" not in response.headers


def test_after_retry_after_requests_pass_again() -> None:
    with running_client(NOWHERE, RATE_LIMIT="2/second") as client:
        while (response := ask(client)).status_code == 404:
            pass
        time.sleep(int(response.headers["Retry-After"]))
        assert ask(client).status_code == 404


@pytest.mark.parametrize("storage", ["memory://", "redis://127.0.0.1:1/0"])
def test_after_a_clock_was_set_back_no_caller_is_refused_for_longer_than_the_window(
    monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    real = time.time
    with running_client(NOWHERE, RATE_LIMIT="2/minute", RATE_LIMIT_STORAGE=storage) as client:
        assert statuses(client, 3) == [404, 404, 429]
        with monkeypatch.context() as clock:
            clock.setattr(time, "time", lambda: real() - 7_200)
            assert statuses(client, 2) == [404, 404]
            refused = ask(client)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) <= 60


def test_the_smaller_of_two_rates_holds() -> None:
    with running_client(NOWHERE, RATE_LIMIT="2/hour;100/day") as client:
        assert statuses(client, 3) == [404, 404, 429]


def test_the_headers_are_those_of_the_rate_with_the_fewest_requests_left() -> None:
    with running_client(NOWHERE, RATE_LIMIT="50/second;3/hour") as client:
        answers = [ask(client) for _ in range(4)]
    assert [response.status_code for response in answers] == [404, 404, 404, 429]
    assert [response.headers["X-RateLimit-Limit"] for response in answers] == ["3"] * 4
    assert [response.headers["X-RateLimit-Remaining"] for response in answers] == ["2", "1", "0", "0"]
    assert int(answers[0].headers["X-RateLimit-Reset"]) > time.time() + 60
    with running_client(NOWHERE, RATE_LIMIT="3/minute;50/hour") as client:
        assert ask(client).headers["X-RateLimit-Limit"] == "3"


def test_the_recommendations_are_counted_and_a_batch_is_one_request(shared_databases: Urls) -> None:
    users = [f"00000000-0000-4000-8000-{number:012}" for number in range(200)]
    with running_client(shared_databases, RATE_LIMIT="2/hour", **PATIENT) as client:
        assert client.post("/api/recommendations/batch", json={"user_ids": users}).status_code == 200
        assert client.get(f"/api/recommendations/{users[0]}").status_code == 200
        assert client.get(f"/api/recommendations/{users[0]}").status_code == 429


def test_each_key_has_its_own_limit_from_any_address() -> None:
    with running_client(NOWHERE, RATE_LIMIT="2/hour", API_KEYS=ENTRIES) as client:
        assert statuses(client, 2, "192.0.2.1", X_API_Key=ONE) == [404, 404]
        assert statuses(client, 1, "192.0.2.2", X_API_Key=ONE) == [429]
        assert statuses(client, 1, "192.0.2.2", X_API_Key=NEW_ONE) == [429], "the same name"
        assert statuses(client, 2, "192.0.2.1", X_API_Key=TWO) == [404, 404]


def test_invalid_keys_count_against_the_address() -> None:
    with running_client(NOWHERE, RATE_LIMIT="2/hour", API_KEYS=ENTRIES) as client:
        tried = [ask(client, X_API_Key=f"mq_{number}").status_code for number in range(4)]
        assert tried == [401, 401, 429, 429]
        assert ask(client, X_API_Key=ONE).status_code == 404


def test_each_address_and_ipv6_network_has_its_own_limit() -> None:
    with running_client(NOWHERE, RATE_LIMIT="1/hour") as client:
        for first, second, limited in (
            ("192.0.2.1", "192.0.2.2", False),
            ("192.0.2.3", "::ffff:192.0.2.3", True),
            ("192.0.2.4:1234", "192.0.2.4:5678", True),
            ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
            ("[2001:db8:3::1]:1234", "2001:db8:3::2", True),
            ("2001:db8:1::1", "2001:db8:2::1", False),
            ("", "", True),
        ):
            assert ask(client, first).status_code == 404
            assert ask(client, second).status_code == (429 if limited else 404)


def test_monitors_and_preflights_are_not_counted() -> None:
    with running_client(NOWHERE, RATE_LIMIT="1/hour") as client:
        answers = [client.get("/health") for _ in range(5)]
        answers += [client.options("/api/recommendations/batch") for _ in range(5)]
        assert {response.status_code for response in answers} == {200}
        assert "X-RateLimit-Limit" not in answers[0].headers
        assert statuses(client, 2) == [404, 429]


def test_without_a_rate_there_are_no_limits() -> None:
    with running_client(NOWHERE) as client:
        responses = [ask(client) for _ in range(50)]
    assert {response.status_code for response in responses} == {404}
    assert "X-RateLimit-Limit" not in responses[-1].headers


def test_a_forged_address_does_not_escape_the_limit() -> None:
    with running_client(NOWHERE, RATE_LIMIT="1/hour") as client:
        forged = [{"X_Forwarded_For": f"198.51.100.{n}", "X_Real_IP": f"198.51.100.{n}"} for n in range(4)]
        assert [ask(client, **headers).status_code for headers in forged] == [404, 429, 429, 429]
        assert ask(client, Forwarded="for=198.51.100.9").status_code == 429


def test_behind_a_trusted_proxy_only_the_address_it_adds_counts() -> None:
    with running_client(NOWHERE, RATE_LIMIT="1/hour", **PROXIED) as client:
        assert ask(client, X_Forwarded_For="198.51.100.1").status_code == 404
        assert ask(client, X_Forwarded_For="198.51.100.2").status_code == 404
        assert ask(client, X_Forwarded_For="203.0.113.7, 198.51.100.1").status_code == 429
    with running_client(NOWHERE, RATE_LIMIT="1/hour", **(PROXIED | {"TRUSTED_PROXIES": "2"})) as client:
        assert ask(client, X_Forwarded_For="198.51.100.1, 10.0.0.1").status_code == 404
        assert ask(client, X_Forwarded_For="203.0.113.7, 198.51.100.1, 10.0.0.2").status_code == 429


def test_forwarded_hosts_and_prefixes_are_ignored_even_behind_a_proxy() -> None:
    with running_client(NOWHERE, **PROXIED) as client:
        response = client.get(
            "/health", headers={"X-Forwarded-Prefix": "/x", "X-Forwarded-Host": "evil.example"}
        )
        assert response.status_code == 200
        assert (response.request.script_root, response.request.host) == ("", "localhost")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(redis_binary(), tmp_path)
    server.start()
    yield server
    server.stop()


def test_without_a_redis_tests_are_skipped_but_fail_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no redis-server is installed"):
        redis_binary()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no redis-server is installed"):
        redis_binary()


def test_workers_on_one_redis_count_together(redis: RedisServer) -> None:
    variables = {"RATE_LIMIT": "4/hour", "RATE_LIMIT_STORAGE": redis.url}
    with running_client(NOWHERE, **variables) as first, running_client(NOWHERE, **variables) as second:
        assert statuses(first, 2) == [404, 404]
        assert statuses(second, 3) == [404, 404, 429]
        refused = ask(first)
    assert refused.status_code == 429
    assert 3500 <= int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["X-RateLimit-Remaining"] == "0"


def test_while_redis_is_down_requests_are_counted_in_memory(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flask-limiter")
    with running_client(NOWHERE, RATE_LIMIT="3/hour", RATE_LIMIT_STORAGE=redis.url) as client:
        assert statuses(client, 1) == [404]
        redis.stop()
        assert statuses(client, 4) == [404, 404, 404, 429]
        assert "Rate limit storage unreachable - falling back to in-memory storage" in caplog.text
        redis.start()
        deadline = time.monotonic() + 10
        while ask(client).status_code == 429 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert "Rate limit storage recovered" in caplog.text
        assert statuses(client, 3) == [404, 404, 429], "counted in the new Redis, which knew of one"
    assert "Traceback" not in caplog.text


def test_redis_may_fail_between_the_count_and_the_headers(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = FixedWindowRateLimiter.hit

    def hit_and_lose_redis(limiter: FixedWindowRateLimiter, rate: Any, *args: Any, **kwargs: Any) -> bool:
        is_within = hit(limiter, rate, *args, **kwargs)
        if rate.amount == 9:
            redis.stop()
        return is_within

    with running_client(NOWHERE, RATE_LIMIT="3/hour;9/day", RATE_LIMIT_STORAGE=redis.url) as client:
        assert statuses(client, 1) == [404]
        with monkeypatch.context() as losing:
            losing.setattr(FixedWindowRateLimiter, "hit", hit_and_lose_redis)
            response = ask(client)
    assert response.status_code == 404
    assert response.headers["X-RateLimit-Limit"] == "3"


def test_a_redis_that_hangs_is_waited_for_briefly(redis: RedisServer) -> None:
    with running_client(NOWHERE, RATE_LIMIT="20/hour", RATE_LIMIT_STORAGE=redis.url) as client:
        assert statuses(client, 1) == [404]
        redis.hang()
        started = time.monotonic()
        assert statuses(client, 1) == [404]
        assert time.monotonic() - started < 3
        started = time.monotonic()
        assert statuses(client, 20) == [404] * 19 + [429]
        assert time.monotonic() - started < 3


def test_a_service_that_starts_without_redis_serves(redis: RedisServer) -> None:
    redis.stop()
    with running_client(NOWHERE, RATE_LIMIT="2/hour", RATE_LIMIT_STORAGE=redis.url) as client:
        started = time.monotonic()
        assert statuses(client, 3) == [404, 404, 429]
        assert time.monotonic() - started < 5
