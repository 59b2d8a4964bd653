"""Tests that all of an endpoint's behaviour follows from its declaration."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict
from werkzeug.test import TestResponse

from config.access_settings import ApiKey, KeyScope
from config.request_settings import UUID_PATTERN
from recommender.api.auth import KeyAuth
from recommender.api.concurrency import ConcurrencyLimiter
from recommender.api.endpoints import Answer, Body, Endpoint, PathId, Tag, needed_scope, public
from recommender.api.errors import ErrorCode, register_error_handlers
from recommender.api.fields import Texts, WholeNumber
from recommender.api.openapi.pages import openapi_blueprint
from recommender.domains.media import MEDIA
from recommender.entities import DatabaseName
from recommender.errors import UnknownItemError
from recommender.texts.ids import IdForm
from tests.support.clients import running_app
from tests.support.contract import Contract

ID = "11111111-1111-4111-8111-111111111111"
KEYS = {scope: f"mq_{scope}" for scope in KeyScope}
TOYS = Tag("Toys", "To play with.")
ID_FORM = IdForm.of_pattern(UUID_PATTERN)


class ToyQuery(BaseModel):
    """Which toys to return."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    size: Annotated[int, WholeNumber(1, 3)] = 2
    """How large."""
    colour: Annotated[tuple[str, ...], Texts(2)] = ()
    """Any of these."""
    weight: float = 1.0
    """Of one of pydantic's own types."""


class ToyBody(BaseModel):
    """A toy to store."""

    page: Annotated[int, WholeNumber(1, 3)]
    size: Annotated[int, WholeNumber(1, 3)] = 2


class ToyPart(TypedDict):
    """A part."""

    name: str


class Toy(TypedDict):
    """A toy."""

    id: str
    size: int
    parts: list[ToyPart]


@pytest.fixture
def limiter() -> ConcurrencyLimiter:
    return ConcurrencyLimiter(max_working=1, max_open=1, patience_s=0)


@pytest.fixture
def client(limiter: ConcurrencyLimiter) -> FlaskClient:
    """Return a client of an app with a blueprint that the service does not have."""
    app = Flask("toys")
    register_error_handlers(app)
    entries = [
        ApiKey(scope, frozenset([scope]), hashlib.sha256(key.encode()).digest())
        for scope, key in KEYS.items()
    ]
    auth = KeyAuth(entries)
    app.before_request(auth.authenticate)
    app.before_request(auth.authorize)
    app.register_blueprint(toys_blueprint(limiter))
    app.register_blueprint(openapi_blueprint(MEDIA, keyed=True))
    return app.test_client()


def toys_blueprint(limiter: ConcurrencyLimiter) -> Blueprint:
    blueprint = Blueprint("toys", __name__, url_prefix="/toys")

    def answer(toy_id: str, query: ToyQuery) -> Toy:
        if query.size == 3:
            raise UnknownItemError
        return Toy(id=toy_id, size=query.size, parts=[ToyPart(name=colour) for colour in query.colour])

    @Endpoint(
        blueprint,
        "GET",
        "/<toy_id>",
        name="getToy",
        tag=TOYS,
        summary="A toy",
        description="It is there.",
        path={"toy_id": PathId(ID_FORM, ErrorCode.INVALID_MEDIA_ID, "Which.", ID)},
        query=ToyQuery,
        answers=(Answer(Toy, {"plain": Toy(id=ID, size=2, parts=[])}),),
        errors=(ErrorCode.MEDIA_NOT_FOUND,),
        limiter=limiter,
    )
    def get_toy(*, toy_id: str, query: ToyQuery, limiter: ConcurrencyLimiter) -> Toy:
        with limiter.limit():
            return answer(toy_id, query)

    @Endpoint(
        blueprint,
        "POST",
        "",
        name="postToy",
        tag=TOYS,
        summary="Put a toy away",
        description="It stays there.",
        body=Body(ToyBody, limiter, {"page": 1}),
        answers=(Answer({"type": "object"}, {"plain": {"size": 2}}),),
        scope=KeyScope.OPS,
    )
    def post_toy(*, body: ToyBody) -> Mapping[str, object]:
        return {"size": body.size}

    @Endpoint(
        blueprint,
        "GET",
        "/open",
        name="getOpen",
        tag=TOYS,
        summary="Whether it is open",
        description="It is.",
        answers=(Answer({"type": "object"}, {"plain": {}}),),
        scope=None,
    )
    def get_open() -> Mapping[str, object]:
        return {}

    @blueprint.get("/page")
    @public
    def get_page() -> str:
        return "for everybody"

    @blueprint.get("/silent")
    def get_silent() -> str:
        return "said nothing"

    return blueprint


def ask(client: FlaskClient, path: str, key: KeyScope | None = KeyScope.READ, **request: Any) -> TestResponse:
    headers = {} if key is None else {"X-API-Key": KEYS[key]}
    return client.open(path, headers=headers, **request)


def refused(response: TestResponse, status: int, code: ErrorCode) -> str:
    """Return the error message."""
    answer = response.get_json()
    assert (response.status_code, answer["code"], set(answer)) == (status, code, {"error", "code"})
    words: str = answer["error"]
    return words


def test_a_request_is_validated_and_its_view_gets_what_is_declared(client: FlaskClient) -> None:
    response = ask(client, f"/toys/{ID.upper()}?size=1&colour=red&colour=blue")
    assert response.get_json() == {"id": ID, "size": 1, "parts": [{"name": "red"}, {"name": "blue"}]}
    assert ask(client, "/toys", KeyScope.OPS, method="POST", json={"page": 3}).get_json() == {"size": 2}


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/toys/x", ErrorCode.INVALID_MEDIA_ID, "toy_id must be a UUID, got 'x'"),
        (
            f"/toys/{ID}?size=4",
            ErrorCode.INVALID_PARAMETER,
            "size must be a whole number from 1 to 3, got '4'",
        ),
        (
            f"/toys/{ID}?weight=much",
            ErrorCode.INVALID_PARAMETER,
            "weight: Input should be a valid number, unable to parse string as a number",
        ),
        (f"/toys/{ID}?size=1&size=2", ErrorCode.INVALID_PARAMETER, "size must be given once, got it 2 times"),
        (
            f"/toys/{ID}?page=1",
            ErrorCode.UNKNOWN_PARAMETER,
            "unknown query parameter 'page'; size, colour and weight are allowed",
        ),
    ],
)
def test_a_wrong_request_is_refused_in_the_shape_of_all_errors(
    client: FlaskClient, path: str, code: ErrorCode, words: str
) -> None:
    assert refused(ask(client, path), 400, code) == words


def test_a_wrong_body_is_refused_in_the_shape_of_all_errors(client: FlaskClient) -> None:
    for body, words in (
        ({}, "page is missing"),
        ({"page": 0}, "page must be a whole number from 1 to 3, got 0"),
        ({"page": 1, "x": 0}, "unknown key 'x'; page and size are allowed"),
    ):
        response = ask(client, "/toys", KeyScope.OPS, method="POST", json=body)
        assert refused(response, 400, ErrorCode.INVALID_BODY) == words


def test_errors_of_the_view_have_the_shape_of_all_errors(client: FlaskClient) -> None:
    refused(ask(client, f"/toys/{ID}?size=3"), 404, ErrorCode.MEDIA_NOT_FOUND)


def test_a_full_limiter_is_reported_before_a_body_is_read(
    client: FlaskClient, limiter: ConcurrencyLimiter
) -> None:
    with limiter.limit():
        refused(ask(client, f"/toys/{ID}"), 503, ErrorCode.OVERLOADED)
        refused(ask(client, "/toys", KeyScope.OPS, method="POST", data="no JSON"), 503, ErrorCode.OVERLOADED)
    assert ask(client, f"/toys/{ID}").status_code == 200


@pytest.mark.parametrize(
    ("path", "method", "scope"), [(f"/toys/{ID}", "GET", KeyScope.READ), ("/toys", "POST", KeyScope.OPS)]
)
def test_an_endpoint_needs_a_key_of_its_scope(
    client: FlaskClient, path: str, method: str, scope: KeyScope
) -> None:
    (other,) = set(KeyScope) - {scope}
    refused(ask(client, path, None, method=method, json={"page": 1}), 401, ErrorCode.UNAUTHORIZED)
    refused(ask(client, path, other, method=method, json={"page": 1}), 403, ErrorCode.FORBIDDEN)
    assert ask(client, path, scope, method=method, json={"page": 1}).status_code == 200


@pytest.mark.parametrize("path", ["/toys/open", "/toys/page"])
def test_a_public_view_needs_no_key(client: FlaskClient, path: str) -> None:
    assert ask(client, path, None).status_code == 200


def test_an_undeclared_route_needs_a_key_with_the_read_scope(client: FlaskClient) -> None:
    refused(ask(client, "/toys/silent", None), 401, ErrorCode.UNAUTHORIZED)
    refused(ask(client, "/toys/silent", KeyScope.OPS), 403, ErrorCode.FORBIDDEN)
    assert ask(client, "/toys/silent").status_code == 200


def test_an_endpoint_is_described_and_a_page_is_not(client: FlaskClient) -> None:
    document = ask(client, "/openapi.json", None).get_json()
    OpenAPIV31SpecValidator(document).validate()
    contract = Contract(document)
    assert set(contract.operations) == {"getToy", "postToy", "getOpen", "getDescription"}
    toy = contract.operations["getToy"]
    assert (toy["path"], toy["method"], toy["tags"]) == ("/toys/{toy_id}", "GET", ["Toys"])
    assert [parameter["name"] for parameter in toy["parameters"]] == ["toy_id", "size", "colour", "weight"]
    assert toy["security"] == [{"bearer": ["read"]}, {"header": ["read"]}]
    assert set(document["components"]["schemas"]) == {"Toy", "ToyPart", "ToyBody", "Problem", "ErrorCode"}
    assert document["tags"][0] == {"name": "Toys", "description": "To play with."}
    schema = toy["responses"]["200"]["content"]["application/json"]["schema"]
    contract.validate(schema, ask(client, f"/toys/{ID}?colour=red").get_json())


def test_the_errors_that_follow_from_a_declaration_are_described(client: FlaskClient) -> None:
    contract = Contract(ask(client, "/openapi.json", None).get_json())
    always = {"bad_request", "internal_error", "method_not_allowed"}
    guarded = always | {"unauthorized", "forbidden", "too_many_requests", "overloaded"}
    queried = {"invalid_media_id", "invalid_parameter", "unknown_parameter", "not_found"}
    posted = {"invalid_body", "unknown_parameter", "body_too_large", "unsupported_media_type"}
    assert contract.codes("getOpen") == always
    assert contract.codes("getToy") == guarded | queried | {"media_not_found"}
    assert contract.codes("postToy") == guarded | posted


@pytest.mark.parametrize(
    ("rule", "view", "words"),
    [
        ("/<toy_id>", lambda query: {"query": query}, "/<toy_id> must have the parameters []"),
        ("/", lambda body: {"body": body}, "its view must take ['query']"),
        ("/", lambda query, body: {"query": query, "body": body}, "its view must take ['query']"),
    ],
)
def test_a_view_unlike_its_declaration_is_refused_when_the_app_is_made(
    rule: str, view: Callable[..., Mapping[str, object]], words: str
) -> None:
    declared = Endpoint(
        Blueprint("toys", __name__),
        "GET",
        rule,
        name="getToy",
        tag=TOYS,
        summary="",
        description="",
        query=ToyQuery,
        answers=(),
    )
    with pytest.raises(ValueError, match=f"getToy: {re.escape(words)}"):
        declared(view)


@pytest.fixture(scope="module")
def served() -> Iterator[Flask]:
    with running_app(dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere")) as app:
        yield app


def test_these_are_all_public_routes(served: Flask) -> None:
    by_scope = {
        scope: {
            rule.rule
            for rule in served.url_map.iter_rules()
            if needed_scope(served.view_functions[rule.endpoint]) is scope
        }
        for scope in (None, KeyScope.OPS)
    }
    assert by_scope[KeyScope.OPS] == {"/api/models", "/metrics"}
    assert by_scope[None] == {
        "/",
        "/docs",
        "/docs/",
        "/docs/<name>",
        "/explorer",
        "/explorer/",
        "/explorer/covers/<media_id>.svg",
        "/explorer/static/<path:name>",
        "/health",
        "/openapi.json",
        "/ready",
    }
