"""Tests that any input gets an answer of the documented shape, without a 500, in time."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from config.access_settings import KeyScope
from recommender.auth_keys import make_key
from recommender.entities import DatabaseName
from tests.support.clients import PATIENT, running_client
from tests.support.fuzz import (
    HEADER_NAMES,
    METHODS,
    NASTY,
    assert_is_an_answer,
    bodies,
    parameters,
    raw_paths,
    user_ids,
)
from tests.support.postgres import Urls
from tests.support.reference import Reference

pytestmark = pytest.mark.slow

BATCH = "/api/recommendations/batch"
KEY, ENTRY = make_key("fuzzer", [KeyScope.READ])
# An answer takes milliseconds; the limit allows for a busy machine.
_SOON_S = 5.0


@pytest.fixture(scope="module")
def open_to_all(shared_databases: Urls) -> Iterator[FlaskClient]:
    with running_client(shared_databases, **PATIENT) as client:
        yield client


def hundreds(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def with_examples(*values: dict[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds examples, which each run sends besides the random ones."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        for arguments in values:
            test = example(**arguments)(test)
        return test

    return decorate


def send(client: FlaskClient, **arguments: Any) -> int:
    started = time.monotonic()
    response = client.open(**arguments)
    head = arguments.get("method") == "HEAD"
    assert_is_an_answer(response.status_code, dict(response.headers), response.data, head=head)
    assert time.monotonic() - started < _SOON_S
    return response.status_code


@hundreds(500)
@with_examples(*({"user_id": each, "query": {"limit": each}} for each in NASTY))
@given(user_id=user_ids, query=parameters)
def test_ids_and_parameters(open_to_all: FlaskClient, user_id: str, query: dict[str, str]) -> None:
    environ = {"PATH_INFO": f"/api/recommendations/{user_id}".encode("utf-8", "replace").decode("latin-1")}
    assert send(open_to_all, path="/", query_string=query, environ_overrides=environ) in (200, 400, 404, 405)


@hundreds(600)
@given(
    body=bodies,
    content_type=st.sampled_from(
        ["application/json"] * 8 + ["application/problem+json", "text/json", "", "\x7f/;="]
    ),
    accept=st.sampled_from(["*/*", "application/x-ndjson", "application/x-ndjson;q=x", ",;,", "a" * 1000]),
)
def test_bodies_of_a_batch(open_to_all: FlaskClient, body: bytes, content_type: str, accept: str) -> None:
    status = send(
        open_to_all,
        method="POST",
        path=BATCH,
        data=body,
        content_type=content_type,
        headers={"Accept": accept},
    )
    assert status in (200, 400, 413, 415)


@hundreds(1000)
@given(
    method=st.sampled_from(METHODS),
    path=raw_paths,
    headers=st.dictionaries(
        st.sampled_from(HEADER_NAMES),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
    ),
    body=st.binary(max_size=60),
)
def test_methods_paths_and_headers(
    open_to_all: FlaskClient, method: str, path: bytes, headers: dict[str, str], body: bytes
) -> None:
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    raw, _, query = path.decode("latin-1").partition("?")
    environ |= {"PATH_INFO": raw, "QUERY_STRING": query}
    send(open_to_all, method=method, path="/", data=body, environ_overrides=environ)


@pytest.fixture(scope="module")
def locked(shared_databases: Urls) -> Iterator[FlaskClient]:
    # Requests are counted, but the limit is not reached.
    variables = {"RATE_LIMIT": "1000000/hour", "TRUSTED_PROXIES": "1", "CORS_ORIGINS": "https://a.example"}
    with running_client(shared_databases, API_KEYS=ENTRY.entry, **variables, **PATIENT) as client:
        yield client


@hundreds(500)
@given(
    scheme=st.sampled_from(["Bearer", "bearer ", "Basic", "", "\t"]),
    credentials=st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=80),
    address=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
)
def test_keys_and_addresses(locked: FlaskClient, scheme: str, credentials: str, address: str) -> None:
    environ = {
        "HTTP_AUTHORIZATION": f"{scheme} {credentials}",
        "HTTP_X_API_KEY": credentials,
        "HTTP_X_FORWARDED_FOR": address,
        "HTTP_ORIGIN": address,
    }
    assert send(locked, path=BATCH, environ_overrides=environ) == 401


@hundreds(250)
@with_examples(*({"asked": [each]} for each in NASTY))
@given(asked=st.lists(user_ids.filter(bool), min_size=1, max_size=3))
def test_ids_of_a_loose_pattern_reach_the_databases_as_text(loose: FlaskClient, asked: list[str]) -> None:
    # PostgreSQL refuses an id that is not a UUID: the statement fails, and the answer is degraded.
    assert send(loose, method="POST", path=BATCH, json={"user_ids": asked}) in (200, 400)


@pytest.fixture(scope="module")
def loose(shared_databases: Urls) -> Iterator[FlaskClient]:
    before = _tables(shared_databases)
    with running_client(shared_databases, ID_PATTERN="(?s).+", **PATIENT) as client:
        yield client
    assert _tables(shared_databases) == before


def _tables(urls: Urls) -> list[tuple[object, ...]]:
    statements = {
        DatabaseName.USER: "SELECT count(*) FROM tb_user_genre",
        DatabaseName.CATALOG: "SELECT count(*) FROM medias",
        DatabaseName.ENGAGEMENT: "SELECT count(*) FROM interaction",
    }
    return [row for name, statement in statements.items() for row in Reference(urls).rows(name, statement)]
