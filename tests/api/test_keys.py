"""Tests that, with keys set, a request needs a known key with the required scope."""

import hashlib
import logging
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config.access_settings import ApiKey, KeyScope
from recommender.databases.recording import recorded_statements
from tests.support.clients import PATIENT, running_app
from tests.support.postgres import Urls


def known(name: str, *scopes: KeyScope) -> tuple[str, ApiKey]:
    """Return a key and its entry. The key is constant, because names of tests contain it."""
    key = f"mq_{name * 8}"
    return key, ApiKey(name, frozenset(scopes), hashlib.sha256(key.encode()).digest())


READ_KEY, READ_ENTRY = known("frontend", KeyScope.READ)
OPS_KEY, OPS_ENTRY = known("monitor", KeyScope.OPS)
BOTH_KEY, BOTH_ENTRY = known("admin", KeyScope.READ, KeyScope.OPS)
PATH = "/api/recommendations/11111111-1111-4111-8111-111111111111"
BATCH = "/api/recommendations/batch"


@pytest.fixture(scope="module")
def app(shared_databases: Urls) -> Iterator[Flask]:
    entries = ",".join(key.entry for key in (READ_ENTRY, OPS_ENTRY, BOTH_ENTRY))
    with running_app(shared_databases, API_KEYS=entries, **PATIENT) as app:
        yield app


@pytest.fixture
def locked(app: Flask) -> FlaskClient:
    return app.test_client()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def refused(response: TestResponse, status: int, code: str) -> bool:
    answer = response.get_json()
    return (response.status_code, answer["code"], set(answer)) == (status, code, {"error", "code"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": READ_KEY},
        {"Authorization": f"Basic {READ_KEY}"},
        {"Authorization": "Bearer \u00e9\u00ff"},
        {"X-API-Key": ""},
        {"X-API-Key": "x" * 8000},
        bearer(READ_KEY[:-1]),
        bearer(READ_KEY + "x"),
        bearer(READ_KEY.swapcase()),
        bearer(READ_ENTRY.entry),
        bearer(READ_ENTRY.digest.hex()),
        bearer(f"{READ_KEY} {READ_KEY}"),
        bearer("wrong") | {"X-API-Key": READ_KEY},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", PATH), ("HEAD", PATH), ("POST", BATCH), ("GET", "/metrics"), ("GET", "/nothing"), ("PUT", PATH)],
)
def test_without_a_known_key_the_answer_is_401_and_nothing_is_asked(
    locked: FlaskClient, headers: dict[str, str], method: str, path: str
) -> None:
    with recorded_statements() as statements:
        response = locked.open(path, method=method, headers=headers)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert statements == []
    if method == "HEAD":
        assert response.status_code == 401
    else:
        assert refused(response, 401, "unauthorized")


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="marquee"'),
        ({"X-API-Key": ""}, 'Bearer realm="marquee"'),
        ({"Authorization": f"Basic {READ_KEY}"}, 'Bearer realm="marquee"'),
        (bearer("wrong"), 'Bearer realm="marquee", error="invalid_token"'),
        ({"X-API-Key": "wrong"}, 'Bearer realm="marquee", error="invalid_token"'),
    ],
)
@pytest.mark.parametrize("path", [PATH, "/explorer/surprise"])
def test_the_challenge_has_a_quoted_realm_and_tells_a_wrong_key_from_a_missing_one(
    locked: FlaskClient, headers: dict[str, str], challenge: str, path: str
) -> None:
    """RFC 9110, 11.5, and RFC 6750, 3."""
    response = locked.get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers.getlist("WWW-Authenticate") == [challenge]


@pytest.mark.parametrize("key", [READ_KEY, BOTH_KEY], ids=["read", "both"])
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_a_key_with_the_read_scope_opens_the_api(locked: FlaskClient, key: str, form: str) -> None:
    by_either = [{"Authorization": form.format(key)}, {"X-API-Key": key}]
    for headers in by_either:
        assert locked.get(PATH, headers=headers).status_code == 200
        body = {"user_ids": [PATH.rpartition("/")[2]]}
        assert locked.post(BATCH, json=body, headers=headers).status_code == 200
        assert refused(locked.get("/nothing", headers=headers), 404, "not_found")


def test_a_key_without_the_scope_is_403(locked: FlaskClient) -> None:
    assert refused(locked.get(PATH, headers=bearer(OPS_KEY)), 403, "forbidden")
    assert refused(locked.post(BATCH, json={}, headers=bearer(OPS_KEY)), 403, "forbidden")
    assert refused(locked.get("/metrics", headers=bearer(READ_KEY)), 403, "forbidden")


def test_a_key_with_the_ops_scope_opens_the_metrics(locked: FlaskClient) -> None:
    for key in (OPS_KEY, BOTH_KEY):
        assert locked.get("/metrics", headers=bearer(key)).status_code == 200


@pytest.mark.parametrize("path", ["/./metrics", "/%6detrics", "/metrics?x=/health", "/x/../metrics"])
def test_every_spelling_of_an_address_needs_the_same_key(locked: FlaskClient, path: str) -> None:
    assert locked.get(path).status_code == 401
    assert locked.get(path, headers=bearer(READ_KEY)).status_code in (403, 404)


def test_an_address_with_two_slashes_needs_the_same_key(locked: FlaskClient) -> None:
    # In a path, the client would read what follows two slashes as a host.
    environ = {"PATH_INFO": "//metrics"}
    assert locked.get(environ_overrides=environ).status_code == 401
    assert locked.get(environ_overrides=environ, headers=bearer(READ_KEY)).status_code == 403


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_monitors_need_no_key(locked: FlaskClient, path: str) -> None:
    assert locked.get(path).status_code != 401
    assert locked.get(path, headers=bearer("wrong")).status_code != 401


def test_options_needs_no_key_and_does_nothing(locked: FlaskClient) -> None:
    response = locked.options(PATH)
    assert (response.status_code, response.data) == (200, b"")


def test_without_keys_a_key_that_is_sent_is_ignored(client: FlaskClient) -> None:
    assert client.get(PATH, headers=bearer("whatever")).status_code == 200


def test_keys_never_reach_the_log(locked: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for key in (READ_KEY, OPS_KEY, "mq_wrong"):
        locked.get(PATH, headers=bearer(key))
        assert key not in caplog.text
