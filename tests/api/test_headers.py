"""Tests security and CORS headers, and the check of the Host header."""

from collections.abc import Iterator

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from config.access_settings import KeyScope
from recommender.api.headers import SECURITY_HEADERS
from recommender.auth_keys import make_key
from tests.support.clients import PATIENT, running_app, running_client
from tests.support.postgres import Urls

PATH = "/api/recommendations/11111111-1111-4111-8111-111111111111"
BATCH = "/api/recommendations/batch"
ORIGIN = "https://a.example"
ALLOWED = "Access-Control-Allow-Origin"
KEY, ENTRY = make_key("page", [KeyScope.READ])
OPS_KEY, OPS_ENTRY = make_key("monitor", [KeyScope.OPS])


@pytest.fixture(scope="module")
def app(shared_databases: Urls) -> Iterator[Flask]:
    with running_app(shared_databases, **PATIENT) as app:

        @app.get("/fault")
        def fault() -> Response:
            raise RuntimeError

        @app.get("/page")
        def page() -> Response:
            return Response("<p>", headers={"Content-Security-Policy": "script-src 'self'"})

        yield app


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 200),
        ("HEAD", PATH, 200),
        ("OPTIONS", PATH, 200),
        ("GET", "/health", 200),
        ("GET", f"{PATH}?limit=x", 400),
        ("GET", "/nothing", 404),
        ("PUT", PATH, 405),
        ("POST", BATCH, 415),
        ("GET", "/fault", 500),
    ],
)
def test_every_answer_has_the_security_headers(app: Flask, method: str, path: str, status: int) -> None:
    response = app.test_client().open(path, method=method)
    assert response.status_code == status
    assert {name: response.headers.getlist(name) for name in SECURITY_HEADERS} == {
        "Cache-Control": ["no-store"],
        "Content-Security-Policy": ["default-src 'none'; frame-ancestors 'none'"],
        "Referrer-Policy": ["no-referrer"],
        "X-Content-Type-Options": ["nosniff"],
        "X-Frame-Options": ["DENY"],
    }


def test_a_stream_has_the_security_headers(app: Flask) -> None:
    body = {"user_ids": [PATH.rpartition("/")[2]]}
    response = app.test_client().post(BATCH, json=body, headers={"Accept": "application/x-ndjson"})
    assert response.mimetype == "application/x-ndjson"
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_a_page_with_a_policy_of_its_own_keeps_it(app: Flask) -> None:
    headers = app.test_client().get("/page").headers
    assert headers.getlist("Content-Security-Policy") == ["script-src 'self'"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.fixture(scope="module")
def locked(shared_databases: Urls) -> Iterator[FlaskClient]:
    variables = {"API_KEYS": ENTRY.entry, "RATE_LIMIT": "6/hour", "CORS_ORIGINS": ORIGIN}
    with running_client(shared_databases, **variables, **PATIENT) as client:
        yield client


def test_a_page_of_an_allowed_origin_may_read_errors_too(locked: FlaskClient) -> None:
    key = {"X-API-Key": KEY}
    asked = [(PATH, {}), (PATH, key), (f"{PATH}?x=1", key), ("/nothing", key), *[(PATH, key)] * 4]
    answers = [locked.get(path, headers={"Origin": ORIGIN, **sent}) for path, sent in asked]
    assert [response.status_code for response in answers] == [401, 200, 400, 404, 200, 200, 200, 429]
    for response in answers:
        assert response.headers.getlist("Access-Control-Allow-Origin") == [ORIGIN]
        assert "Access-Control-Allow-Credentials" not in response.headers
        exposed = set(response.headers["Access-Control-Expose-Headers"].split(", "))
        assert exposed >= {"Retry-After", "WWW-Authenticate", "X-RateLimit-Remaining"}


def test_preflight_requests_need_no_key(locked: FlaskClient) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, x-other",
    }
    response = locked.options(BATCH, headers=asked)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "DELETE" not in response.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize(
    "origin", ["https://b.example", "http://a.example", "https://a.example.evil.example", "null", None]
)
def test_pages_of_other_origins_may_not_read_answers(locked: FlaskClient, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    for response in (locked.get("/health", headers=headers), locked.options(PATH, headers=headers)):
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_with_a_star_pages_of_any_origin_may_call(shared_databases: Urls) -> None:
    with running_client(shared_databases, CORS_ORIGINS="https://a.example,*", **PATIENT) as client:
        for origin in ("https://b.example", "null"):
            preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            assert client.get("/health", headers={"Origin": origin}).headers[ALLOWED] == "*"
            assert client.options(PATH, headers=preflight).headers[ALLOWED] == "*"


@pytest.mark.parametrize(
    "path",
    [
        "/explorer/covers/x.svg",
        "/explorer/static/explorer.js?v=1",
        "/docs",
        "/docs/reader.css",
        "/openapi.json",
        "/nothing",
    ],
)
def test_an_answer_from_a_cache_also_serves_pages_of_other_origins(locked: FlaskClient, path: str) -> None:
    """Otherwise, a cached answer to an image of a page lacks the header that a script of that page needs."""
    for headers in ({}, {"Origin": ORIGIN}, {"Origin": "https://b.example"}):
        response = locked.get(path, headers=headers, buffered=True)
        assert response.headers.getlist("Vary") == ["Origin"]
        assert (ALLOWED in response.headers) == (headers.get("Origin") == ORIGIN)


def test_with_a_star_all_origins_get_the_same_answer(shared_databases: Urls) -> None:
    with running_client(shared_databases, CORS_ORIGINS="*", **PATIENT) as client:
        for headers in ({}, {"Origin": ORIGIN}):
            response = client.get("/explorer/covers/x.svg", headers=headers)
            assert response.headers.getlist(ALLOWED) == ["*"]
            assert "Vary" not in response.headers


def test_without_cors_answers_do_not_vary(app: Flask) -> None:
    assert "Vary" not in app.test_client().get("/explorer/covers/x.svg", headers={"Origin": ORIGIN}).headers


@pytest.mark.parametrize("path", ["/api/nothing", f"{PATH}/", "//", "/docs/nothing"])
def test_a_page_of_an_allowed_origin_may_read_that_an_address_does_not_exist(
    locked: FlaskClient, path: str
) -> None:
    """Browsers send a request with a key only after a preflight that succeeds."""
    preflight = {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "x-api-key",
    }
    response = locked.options(path, headers={"Origin": ORIGIN, **preflight})
    assert response.status_code in (200, 204)
    assert response.headers[ALLOWED] == ORIGIN
    assert response.headers["Access-Control-Allow-Headers"] == "x-api-key"
    other = locked.options(path, headers={"Origin": "https://b.example", **preflight})
    assert ALLOWED not in other.headers


def test_a_request_with_options_that_is_no_preflight_learns_that_an_address_does_not_exist(
    locked: FlaskClient,
) -> None:
    assert locked.options("/api/nothing").status_code == 404
    assert locked.options("/api/nothing", headers={"Origin": ORIGIN}).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.2"])
def test_without_keys_unknown_host_headers_are_rejected(shared_databases: Urls, host: str) -> None:
    """Prevents DNS rebinding: a web page whose host name resolves to this service could read all answers."""
    asked = {"Host": f"{host}:5000"}
    with running_client(shared_databases, **PATIENT) as client:
        response = client.get("/api/media/popular", headers=asked)
        assert (response.status_code, response.get_json()["code"]) == (400, "bad_request")
        for own in ("localhost:5000", "127.0.0.1", "[::1]:5000"):
            assert client.get("/api/media/popular", headers={"Host": own}).status_code == 200
    with running_client(shared_databases, ALLOW_ANONYMOUS="true", **PATIENT) as client:
        assert client.get("/api/media/popular", headers=asked).status_code == 200


@pytest.mark.parametrize(
    "others",
    [{}, {"ALLOW_ANONYMOUS": "true"}, {"API_KEYS": ENTRY.entry}],
    ids=["no keys", "open to all", "keys"],
)
def test_with_allowed_hosts_all_other_host_headers_are_rejected(
    shared_databases: Urls, others: dict[str, str]
) -> None:
    sent = {"Authorization": f"Bearer {KEY}"}
    hosts = {"ALLOWED_HOSTS": "127.0.0.1, Shop.Example,[2001:DB8:0::1]"}
    with running_client(shared_databases, **hosts, **others, **PATIENT) as client:
        for host in ("evil.example:5000", "localhost:5000", "shop.example.evil.example", "[::1]"):
            for path in ("/api/media/popular", "/explorer", "/openapi.json", "/"):
                response = client.get(path, headers=sent | {"Host": host})
                assert (response.status_code, response.get_json()["code"]) == (400, "bad_request")
            # Probes of containers and load balancers send the address that they ask.
            for path in ("/health", "/ready"):
                assert client.get(path, headers={"Host": host}).status_code == 200
        for host in ("127.0.0.1:5000", "shop.example", "SHOP.example:80", "[2001:db8::1]:5000"):
            assert client.get("/api/media/popular", headers=sent | {"Host": host}).status_code == 200


def test_a_refused_host_is_named_in_the_answer_and_once_in_the_log(
    shared_databases: Urls, caplog: pytest.LogCaptureFixture
) -> None:
    variables = {"ALLOWED_HOSTS": "shop.example", "ALLOW_ANONYMOUS": "true"}
    with running_client(shared_databases, **variables, **PATIENT) as client:
        client.get("/health", headers={"Host": "10.1.2.3"})
        answers = [
            client.get(path, headers={"Host": host})
            for path in ("/api/media/popular", "/explorer/users", "/nothing")
            for host in ("other.example:5000", "x" * 5000)
        ]
    assert {response.status_code for response in answers} == {400}
    message = "the Host header must name this service (see ALLOWED_HOSTS), got 'other.example:5000'"
    assert answers[0].get_json()["error"] == message
    assert max(len(response.data) for response in answers if response.is_json) < 300
    logged = [record.getMessage() for record in caplog.records if "Host header" in record.getMessage()]
    first = "requests with the Host header 'other.example:5000' are refused: ALLOWED_HOSTS does not name it"
    assert len(logged) == 2
    assert logged[0] == first
    assert len(logged[1]) < 300


def test_metrics_that_need_a_key_are_served_under_any_name(shared_databases: Urls) -> None:
    hosts = {"ALLOWED_HOSTS": "shop.example"}
    asked = {"Host": "10.1.2.3:5000"}
    with running_client(shared_databases, **hosts, API_KEYS=OPS_ENTRY.entry, **PATIENT) as client:
        assert client.get("/metrics", headers=asked).status_code == 401
        sent = asked | {"Authorization": f"Bearer {OPS_KEY}"}
        assert client.get("/metrics", headers=sent).status_code == 200
    # Without keys, a page in a browser could read them.
    with running_client(shared_databases, **hosts, ALLOW_ANONYMOUS="true", **PATIENT) as client:
        assert client.get("/metrics", headers=asked).status_code == 400
