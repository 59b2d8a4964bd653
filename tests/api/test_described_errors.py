"""The errors of each operation are answered as the API's description says."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from config.access_settings import KeyScope
from recommender.api.concurrency import ConcurrencyLimiter, OverloadedError
from recommender.api.errors import ERROR_KINDS, ErrorCode
from recommender.auth_keys import make_key
from recommender.entities import DatabaseName
from tests.support.clients import PATIENT, running_client, settings_for
from tests.support.contract import GUARDED, OF_OPS, REQUESTS, WORKING, Contract
from tests.support.postgres import Urls

NOWHERE: Urls = dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere")
READ_KEY, READ_ENTRY = make_key("frontend", [KeyScope.READ])
OPS_KEY, OPS_ENTRY = make_key("monitor", [KeyScope.OPS])
KEYS = {"API_KEYS": f"{READ_ENTRY.entry},{OPS_ENTRY.entry}"}
QUERIED = ("getRecommendations", "getPopular", "getSimilar", "getModels")
POSTED = ("postBatch", "postPreview")
# Changes that make a valid request invalid, and the expected code.
WRONG: list[tuple[str, dict[str, Any], ErrorCode]] = [
    ("getRecommendations", {"path": "/api/recommendations/x"}, ErrorCode.INVALID_USER_ID),
    ("getRecommendations", {"path": "/api/recommendations/x/y"}, ErrorCode.NOT_FOUND),
    ("getSimilar", {"path": "/api/media/x/similar"}, ErrorCode.INVALID_MEDIA_ID),
    ("getSimilar", {"path": "/api/media/x/y/similar"}, ErrorCode.NOT_FOUND),
    ("getSimilar", {}, ErrorCode.MEDIA_NOT_FOUND),
    *[(name, {"query_string": "limit=0"}, ErrorCode.INVALID_PARAMETER) for name in QUERIED],
    *[(name, {"query_string": "x=0"}, ErrorCode.UNKNOWN_PARAMETER) for name in (*QUERIED, *POSTED)],
    *[(name, {"json": {"limit": 0}}, ErrorCode.INVALID_BODY) for name in POSTED],
    *[(name, {"json": {"x": "x" * (1 << 20)}}, ErrorCode.BODY_TOO_LARGE) for name in POSTED],
    *[(name, {"json": None, "data": "x"}, ErrorCode.UNSUPPORTED_MEDIA_TYPE) for name in POSTED],
    *[(name, {"headers": {"Content-Encoding": "gzip"}}, ErrorCode.UNSUPPORTED_MEDIA_TYPE) for name in POSTED],
    *[
        (
            name,
            {
                "json": None,
                "input_stream": BytesIO(),
                "content_type": "application/json",
                # A length above that of the body, as if the client had disconnected.
                "environ_overrides": {"CONTENT_LENGTH": "9"},
            },
            ErrorCode.BAD_REQUEST,
        )
        for name in POSTED
    ],
]


@pytest.fixture(scope="module")
def limited() -> Iterator[FlaskClient]:
    """A service without databases that allows each address one request per hour."""
    with running_client(NOWHERE, RATE_LIMIT="1/hour") as client:
        yield client


@pytest.fixture(scope="module")
def unlimited() -> Iterator[FlaskClient]:
    """A service without databases."""
    with running_client(NOWHERE) as client:
        yield client


@pytest.fixture(scope="module")
def locked(shared_databases: Urls) -> Iterator[FlaskClient]:
    with running_client(shared_databases, **KEYS, **PATIENT) as client:
        yield client


def problem(response: TestResponse, code: ErrorCode) -> None:
    assert response.get_json()["code"] == code
    assert response.status_code == ERROR_KINDS[code].status


@pytest.mark.parametrize(("name", "change", "code"), WRONG)
def test_a_wrong_request_is_refused_as_described(
    client: FlaskClient, contract: Contract, name: str, change: dict[str, Any], code: ErrorCode
) -> None:
    response = client.open(**{**REQUESTS[name], **change})
    problem(response, code)
    contract.check(name, response)


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_a_wrong_method_is_refused_as_described(client: FlaskClient, contract: Contract, name: str) -> None:
    response = client.open(**{**REQUESTS[name], "method": "DELETE"})
    problem(response, ErrorCode.METHOD_NOT_ALLOWED)
    contract.check(name, response)


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_an_unknown_host_is_refused_as_described(client: FlaskClient, contract: Contract, name: str) -> None:
    response = client.open(**{**REQUESTS[name], "headers": {"Host": "other.example"}})
    problem(response, ErrorCode.BAD_REQUEST)
    contract.check(name, response)


@pytest.mark.parametrize("name", GUARDED)
def test_a_caller_without_the_key_is_refused_as_described(
    locked: FlaskClient, contract: Contract, name: str
) -> None:
    right, wrong = (OPS_KEY, READ_KEY) if name in OF_OPS else (READ_KEY, OPS_KEY)
    for headers, code in (
        ({}, ErrorCode.UNAUTHORIZED),
        ({"X-API-Key": wrong}, ErrorCode.FORBIDDEN),
        ({"Authorization": f"Bearer {right}"}, None),
        ({"X-API-Key": right}, None),
    ):
        response = locked.open(**{**REQUESTS[name], "headers": headers})
        if code is not None:
            problem(response, code)
        contract.check(name, response)


@pytest.mark.parametrize("name", GUARDED)
def test_a_caller_over_the_rate_limit_is_refused_as_described(
    contract: Contract, limited: FlaskClient, name: str
) -> None:
    # Each test has its own address, which is counted separately.
    caller = {"REMOTE_ADDR": f"192.0.2.{GUARDED.index(name)}"}
    limited.get("/nothing", environ_overrides=caller)
    response = limited.open(**REQUESTS[name], environ_overrides=caller)
    problem(response, ErrorCode.TOO_MANY_REQUESTS)
    assert {"Retry-After", "X-RateLimit-Reset"} <= set(response.headers.keys())
    contract.check(name, response)


@pytest.mark.parametrize("name", WORKING)
def test_an_overload_and_an_outage_are_answered_as_described(
    contract: Contract, unlimited: FlaskClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = unlimited.open(**REQUESTS[name])
    problem(response, ErrorCode.SERVICE_UNAVAILABLE)
    contract.check(name, response)
    contract.check("getReady", unlimited.get("/ready"))
    monkeypatch.setattr(ConcurrencyLimiter, "admit", full)
    response = unlimited.open(**REQUESTS[name])
    problem(response, ErrorCode.OVERLOADED)
    contract.check(name, response)


def full(_: ConcurrencyLimiter) -> None:
    raise OverloadedError


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_a_fault_is_answered_as_described(contract: Contract, name: str) -> None:
    app = create_app(settings_for(NOWHERE))
    endpoint, _ = app.url_map.bind("").match(REQUESTS[name]["path"], REQUESTS[name].get("method", "GET"))
    app.view_functions[endpoint] = fault
    # Drop the hooks of blueprints, which would open the container.
    app.before_request_funcs = {None: app.before_request_funcs[None]}
    response = app.test_client().open(**REQUESTS[name])
    problem(response, ErrorCode.INTERNAL_ERROR)
    contract.check(name, response)


def fault(**_: str) -> str:
    raise RuntimeError


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_every_described_error_is_tested(contract: Contract, name: str) -> None:
    provoked = {code for found, _, code in WRONG if found == name}
    provoked |= {ErrorCode.BAD_REQUEST, ErrorCode.METHOD_NOT_ALLOWED, ErrorCode.INTERNAL_ERROR}
    if name in GUARDED:
        provoked |= {ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.TOO_MANY_REQUESTS}
    if name in WORKING:
        provoked |= {ErrorCode.OVERLOADED, ErrorCode.SERVICE_UNAVAILABLE}
    assert contract.codes(name) == provoked
