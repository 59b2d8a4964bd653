"""Tests that invalid input is refused with a status, a stable code and a helpful message."""

import gzip
import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.clients import running_app
from tests.support.postgres import Urls

USER = "11111111-1111-4111-8111-111111111111"
PATH = f"/api/recommendations/{USER}"
BATCH = "/api/recommendations/batch"


def problem(response: TestResponse, status: int, code: str) -> str:
    assert response.status_code == status
    assert response.mimetype == "application/json"
    body = response.get_json()
    assert set(body) == {"error", "code"}
    assert body["code"] == code
    message: str = body["error"]
    return message


@pytest.mark.parametrize(
    "user_id",
    [
        "123",
        "not-a-uuid",
        USER + "0",
        USER.replace("-", ""),
        "{" + USER + "}",
        "%00" + USER,
        USER + "%0A",
        "\uff11" + USER[1:],
        "a" * 5000,
        "'; DROP TABLE medias; --",
    ],
)
def test_a_user_id_that_is_not_a_uuid_is_refused(client: FlaskClient, user_id: str) -> None:
    message = problem(client.get(f"/api/recommendations/{user_id}"), 400, "invalid_user_id")
    assert message.startswith("user_id must be a UUID, got ")
    assert len(message) < 150


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        (f"{name}={value}", f"{name} must be a whole number from {least} to {most}")
        for name, least, most, values in [
            ("limit", 1, 100, ["0", "-1", "101", "", "ten", "1.5", "1e1", "+5", "5%20", "٣", "9" * 5000]),
            ("offset", 0, 2147483647, ["-1", "", "x", "0.5", "2147483648", "0x10", "NaN"]),
        ]
        for value in values
    ],
)
def test_a_limit_or_offset_out_of_range_is_refused(client: FlaskClient, query: str, allowed: str) -> None:
    message = problem(client.get(f"{PATH}?{query}"), 400, "invalid_parameter")
    assert message.startswith(f"{allowed}, got ")
    assert len(message) < 200


def test_a_parameter_given_twice_is_refused(client: FlaskClient) -> None:
    message = problem(client.get(f"{PATH}?limit=5&limit=6"), 400, "invalid_parameter")
    assert message == "limit must be given once, got it 2 times"


@pytest.mark.parametrize("query", ["Limit=5", "page=2", "limit=5&x=1", "="])
def test_an_unknown_query_parameter_is_refused(client: FlaskClient, query: str) -> None:
    message = problem(client.get(f"{PATH}?{query}"), 400, "unknown_parameter")
    allowed = (
        "limit, genre, exclude_genre, media_type, exclude_media_type, min_year, max_year, match, exclude, "
        "explain, offset and index are allowed"
    )
    assert message.endswith(f"; {allowed}")


@pytest.mark.parametrize("edge", ["limit=1", "limit=100", "offset=0", "offset=2147483647", "limit=007"])
def test_the_ends_of_the_ranges_are_allowed(client: FlaskClient, edge: str) -> None:
    assert client.get(f"{PATH}?{edge}").status_code == 200


@pytest.mark.parametrize("number", ["1.0", "1e0", "10E-1"])
def test_a_whole_number_may_be_written_as_a_float(client: FlaskClient, number: str) -> None:
    body = f'{{"user_ids": ["{USER}"], "limit": {number}}}'
    response = client.post(BATCH, data=body, content_type="application/json")
    assert (response.status_code, response.get_json()["results"][USER]["count"]) == (200, 1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "cannot be read as JSON: "),
        ("{", "cannot be read as JSON: unexpected end of data: line 1 column 2 (char 1)"),
        (f'{{"limit": {"9" * 400}}}', "number is infinity when parsed as double: line 1 column 11"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "cannot be read as JSON: "),
        ('{"user_ids": NaN}', "cannot be read as JSON: "),
        (b'{"user_ids": ["\xff"]}', "cannot be read as JSON: "),
        ("[" * 900, "cannot be read as JSON: "),
        ("[" * 100_000, "too many values"),
        ("[]", "must be a JSON object"),
        ('"text"', "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("{}", "user_ids is missing"),
        ('{"user_ids": null}', "user_ids must be a list"),
        (f'{{"user_ids": "{USER}"}}', "user_ids must be a list"),
        ('{"user_ids": {}}', "user_ids must be a list"),
        ('{"user_ids": []}', "user_ids must be a list with at least one id"),
        ('{"user_ids": [1]}', "each of user_ids must be a string; wrong at positions (from 0): 0"),
        (f'{{"user_ids": ["{USER}", null]}}', "wrong at positions (from 0): 1"),
        (
            f'{{"user_ids": ["{USER}", "x", "{USER}", ""]}}',
            "each of user_ids must be a UUID; wrong at positions (from 0): 1, 3",
        ),
        (json.dumps({"user_ids": ["x"] * 30}), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 20 more"),
        (json.dumps({"user_ids": [USER] * 501}), "user_ids must hold 1 to 500 ids, got 501"),
        (json.dumps({"user_ids": [USER], "limit": 0}), "limit must be a whole number from 1 to 100, got 0"),
        (json.dumps({"user_ids": [USER], "limit": 101}), "from 1 to 100, got 101"),
        (
            json.dumps({"user_ids": [USER], "limit": "10"}),
            "from 1 to 100, got '10'",
        ),
        (
            json.dumps({"user_ids": [USER], "limit": 1.5}),
            "from 1 to 100, got 1.5",
        ),
        (
            json.dumps({"user_ids": [USER], "limit": True}),
            "from 1 to 100, got true",
        ),
        (
            json.dumps({"user_ids": [USER], "limit": None}),
            "from 1 to 100, got null",
        ),
        (f'{{"user_ids": ["{USER}"], "limit": {"9" * 30}}}', "limit must be a whole number"),
        (
            json.dumps({"user_ids": [USER], "offset": 5}),
            "unknown key 'offset'; limit, genre, ",
        ),
    ],
)
def test_an_invalid_batch_body_is_refused(client: FlaskClient, body: str | bytes, says: str) -> None:
    response = client.post(BATCH, data=body, content_type="application/json")
    message = problem(response, 400, "invalid_body")
    assert says in message
    assert len(message) < 200


def test_a_batch_takes_no_query_parameters(client: FlaskClient) -> None:
    problem(client.post(f"{BATCH}?limit=5", json={"user_ids": [USER]}), 400, "unknown_parameter")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_another_content_type_than_json_is_refused(client: FlaskClient, content_type: str | None) -> None:
    body = json.dumps({"user_ids": [USER]})
    response = client.post(BATCH, data=body, content_type=content_type)
    assert "application/json" in problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("charset", "status"),
    [
        ("utf-8", 200),
        ('"UTF-8"', 200),
        ("utf8", 200),
        ("us-ascii", 200),
        ("utf-16", 415),
        ("iso-8859-1", 415),
        ("x" * 5000, 415),
    ],
)
def test_a_body_in_another_charset_than_utf_8_is_refused(
    client: FlaskClient, charset: str, status: int
) -> None:
    body = json.dumps({"user_ids": [USER]})
    response = client.post(BATCH, data=body, content_type=f"application/json; charset={charset}")
    assert response.status_code == status
    if status != 200:
        assert "in UTF-8" in problem(response, 415, "unsupported_media_type")
        assert "Accept-Encoding" not in response.headers, "it is about compression only"


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "nonsense"])
def test_a_compressed_body_is_refused(client: FlaskClient, encoding: str) -> None:
    body = gzip.compress(json.dumps({"user_ids": [USER]}).encode())
    response = client.post(
        BATCH, data=body, content_type="application/json", headers={"Content-Encoding": encoding}
    )
    assert "not compressed" in problem(response, 415, "unsupported_media_type")
    assert response.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("start", "headers"),
    [(b"", {"Content-Encoding": "Identity"}), (b"\xef\xbb\xbf", {}), (b"\xef\xbb\xbf \n", {})],
    ids=["identity", "byte order mark", "byte order mark and space"],
)
def test_a_body_with_a_byte_order_mark_or_without_an_encoding_is_read(
    client: FlaskClient, start: bytes, headers: dict[str, str]
) -> None:
    body = start + json.dumps({"user_ids": [USER]}).encode()
    assert client.post(BATCH, data=body, content_type="application/json", headers=headers).status_code == 200


def test_a_body_over_one_mebibyte_is_refused(client: FlaskClient) -> None:
    body = json.dumps({"user_ids": [USER], "x": "x" * 1024 * 1024})
    response = client.post(BATCH, data=body, content_type="application/json")
    assert "1 MiB" in problem(response, 413, "body_too_large")


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/recommendations",
        "/api/recommendations/",
        f"{PATH}/",
        f"{PATH}/x",
        "/healthz",
        "/explorer/x",
        "/explorer/static/",
        "/explorer/static/../views.py",
    ],
)
def test_an_unknown_path_is_refused(client: FlaskClient, path: str) -> None:
    problem(client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", PATH, "GET, HEAD, OPTIONS"),
        ("DELETE", PATH, "GET, HEAD, OPTIONS"),
        ("GET", BATCH, "OPTIONS, POST"),
        ("PUT", BATCH, "OPTIONS, POST"),
        ("HEAD", "/api/recommendations/preview", "OPTIONS, POST"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_refused(client: FlaskClient, method: str, path: str, allowed: str) -> None:
    response = client.open(path, method=method)
    assert response.headers["Allow"] == allowed
    if method != "HEAD":
        problem(response, 405, "method_not_allowed")


def test_the_allowed_methods_are_those_that_are_answered(client: FlaskClient) -> None:
    methods = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
    for rule in client.application.url_map.iter_rules():
        path = re.sub("<[^>]+>", "x", rule.rule)
        answered = {method for method in methods if client.open(path, method=method).status_code != 405}
        for response in (client.options(path), client.patch(path)):
            assert set(response.headers["Allow"].split(", ")) == answered, path


def test_a_fault_is_a_generic_500_and_a_traceback_in_the_log(
    shared_databases: Urls, caplog: pytest.LogCaptureFixture
) -> None:
    with running_app(shared_databases) as app:

        @app.get("/fault")
        def fault() -> Any:
            raise RuntimeError("the secret reason")

        message = problem(app.test_client().get("/fault"), 500, "internal_error")
    assert "secret" not in message
    assert "RuntimeError: the secret reason" in caplog.text
    assert "Traceback" in caplog.text


def test_a_custom_id_pattern_is_named_in_the_error(shared_databases: Urls) -> None:
    with running_app(shared_databases, ID_PATTERN="[1-9][0-9]{0,18}") as app:
        response = app.test_client().get("/api/recommendations/007")
    message = problem(response, 400, "invalid_user_id")
    assert message == "user_id must be of the form [1-9][0-9]{0,18}, got '007'"


def test_an_id_that_postgresql_cannot_hold_is_refused_whatever_the_pattern(shared_databases: Urls) -> None:
    with running_app(shared_databases, ID_PATTERN="[^/]+") as app:
        client = app.test_client()
        message = problem(client.get("/api/recommendations/a%00b"), 400, "invalid_user_id")
        assert message == r"user_id must be of the form [^/]+, got 'a\x00b'"
        problem(client.post(BATCH, json={"user_ids": ["a", "a\0b"]}), 400, "invalid_body")
