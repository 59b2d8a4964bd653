"""Builds the OpenAPI 3.1 description of the API."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from config.access_settings import KeyScope
from recommender import __version__
from recommender.api.endpoints import JSON, Answer, Body, Endpoint, PathId
from recommender.api.errors import ERROR_KINDS, ErrorCode, Problem
from recommender.api.example_items import fitted
from recommender.api.openapi.error_examples import error_examples
from recommender.api.openapi.json_schema import (
    Schema,
    component_schemas,
    query_parameters,
    reference,
)
from recommender.api.streams import NDJSON
from recommender.domains.base import Domain

TITLE = "Marquee API"
_DESCRIPTION = "Personalized recommendations for a media app, directly from the databases it already has."
_REQUEST_ID = "X-Request-ID"
_RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_HEADERS = {
    _REQUEST_ID: (
        "The caller's, if it is 1 to 64 of `A-Za-z0-9._-`; else a new one.",
        _TEXT,
    ),
    "X-RateLimit-Limit": ("Requests that the rate limit allows, if one is set.", _COUNT),
    "X-RateLimit-Remaining": ("Requests left.", _COUNT),
    "X-RateLimit-Reset": ("When the limit resets, in seconds since 1970.", _COUNT),
    "Retry-After": ("Seconds to wait before trying again.", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": ("How to send a key.", _TEXT),
    "Allow": ("The methods that the address allows.", _TEXT),
    "Accept-Encoding": ("How the body may be encoded, if it was compressed.", _TEXT),
}
# Present in each answer that describes them; other headers are optional.
_CERTAIN = {_REQUEST_ID, "WWW-Authenticate", "Allow"}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key of the service."},
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, in its own header.",
    },
}


def describe(endpoints: Iterable[tuple[str, Endpoint]], domain: Domain, *, keyed: bool) -> dict[str, Any]:
    """Return the description of endpoints, given with their paths, for items of a domain.

    Answers are described alike with and without keys, so that one generated client fits both. The ways to
    send a key are described only if keys are set (`keyed`), else Swagger UI would ask for one.
    """
    endpoints = tuple(endpoints)
    paths: defaultdict[str, Schema] = defaultdict(dict)
    for path, endpoint in endpoints:
        paths[path][endpoint.method.lower()] = _operation(_fitted(endpoint, domain), keyed=keyed)
    tags = {endpoint.tag.name: endpoint.tag.description for _, endpoint in endpoints}
    schemas = _schemas((endpoint for _, endpoint in endpoints), domain)
    # Some types are only bases of others, and are not referenced.
    written = orjson.dumps([paths, schemas])
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": __version__, "description": _DESCRIPTION},
        "tags": [{"name": name, "description": description} for name, description in tags.items()],
        "paths": dict(paths),
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if _pointer(name) in written},
            "headers": {
                name: {"description": description, "required": name in _CERTAIN, "schema": schema}
                for name, (description, schema) in _HEADERS.items()
            },
            **({"securitySchemes": _SCHEMES} if keyed else {}),
        },
    }


def _schemas(endpoints: Iterable[Endpoint], domain: Domain) -> dict[str, Schema]:
    """Return the schemas of bodies and answers, sorted by name."""
    answers: list[type] = [Problem]
    bodies: list[type[BaseModel]] = []
    for endpoint in endpoints:
        bodies += [body.model for body in endpoint.bodies]
        answers += [answer.content for answer in endpoint.answers if isinstance(answer.content, type)]
        answers += [] if endpoint.stream is None else [endpoint.stream.line]
    return dict(sorted(component_schemas(answers, bodies, domain).items()))


def _fitted(endpoint: Endpoint, domain: Domain) -> Endpoint:
    """Return the endpoint with examples that have the attributes of the domain."""
    stream = endpoint.stream
    return replace(
        endpoint,
        answers=tuple(replace(each, examples=fitted(each.examples, domain)) for each in endpoint.answers),
        stream=None if stream is None else replace(stream, examples=fitted(stream.examples, domain)),
    )


def _pointer(name: str) -> bytes:
    return orjson.dumps(reference(name)["$ref"])


def _operation(endpoint: Endpoint, *, keyed: bool) -> Schema:
    described: Schema = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag.name],
        "summary": endpoint.summary,
        "description": endpoint.description + _scope_description(endpoint.scope),
    }
    parameters = [_path_parameter(name, path_id) for name, path_id in endpoint.path.items()]
    if endpoint.query is not None:
        parameters += query_parameters(endpoint.query)
    if parameters:
        described["parameters"] = parameters
    if endpoint.bodies:
        described["requestBody"] = _request_body(endpoint.bodies)
    described["responses"] = _responses(endpoint)
    if keyed and endpoint.scope is not None:
        described["security"] = [{scheme: [endpoint.scope.value]} for scheme in _SCHEMES]
    return described


def _path_parameter(name: str, path_id: PathId) -> Schema:
    parameter: Schema = {
        "name": name,
        "in": "path",
        "required": True,
        "description": path_id.description,
        "schema": path_id.form.json_schema(),
    }
    # The service would refuse example ids of another form.
    fits = path_id.form.canonical(path_id.example) is not None
    return {**parameter, "example": path_id.example} if fits else parameter


def _request_body(bodies: tuple[Body, ...]) -> Schema:
    """Return the schema of the bodies, with the example of the first."""
    references = [reference(body.model.__name__) for body in bodies]
    content: Schema = {"schema": {"anyOf": references} if len(references) > 1 else references[0]}
    if _accepts_its_example(bodies[0]):
        content["examples"] = _named({"plain": bodies[0].example})
    return {"required": True, "content": {JSON: content}}


def _accepts_its_example(body: Body) -> bool:
    """Return whether the ids in an example have the form of this service."""
    try:
        body.model.model_validate(body.example)
    except ValidationError:
        return False
    return True


def _scope_description(scope: KeyScope | None) -> str:
    if scope is None:
        return " Needs no key."
    return f" Where keys are set, needs one with the scope `{scope.value}`."


def _responses(endpoint: Endpoint) -> Schema:
    by_status = _answers(endpoint) | _errors(error_examples(endpoint))
    rate_headers = () if endpoint.scope is None else _RATE
    for response in by_status.values():
        headers = [_REQUEST_ID, *rate_headers, *response.get("headers", ())]
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return {str(int(status)): by_status[status] for status in sorted(by_status)}


def _answers(endpoint: Endpoint) -> dict[HTTPStatus, Schema]:
    responses: dict[HTTPStatus, Schema] = {}
    for answer in endpoint.answers:
        response = responses.setdefault(answer.status, {"description": answer.description})
        if answer.content is not None:
            media_type = {"schema": _content_schema(answer), "examples": _named(answer.examples)}
            response.setdefault("content", {})[answer.content_type] = media_type
    if endpoint.stream is not None:
        line = [reference(endpoint.stream.line.__name__), reference(Problem.__name__)]
        responses[HTTPStatus.OK]["content"][NDJSON] = {
            "schema": {"description": "A line.", "anyOf": line},
            "examples": _named(endpoint.stream.examples),
        }
    return responses


def _content_schema(answer: Answer) -> Schema:
    content = answer.content
    return reference(content.__name__) if isinstance(content, type) else dict(content or {})


def _named(examples: Mapping[str, Any]) -> Schema:
    """Return examples in OpenAPI's form."""
    return {name: {"value": value} for name, value in examples.items()}


def _errors(problems: Iterable[Problem]) -> dict[HTTPStatus, Schema]:
    """Return the errors by status."""
    by_status: defaultdict[HTTPStatus, dict[ErrorCode, Problem]] = defaultdict(dict)
    for problem in problems:
        by_status[ERROR_KINDS[problem["code"]].status][problem["code"]] = problem
    return {status: _error(by_code) for status, by_code in by_status.items()}


def _error(by_code: dict[ErrorCode, Problem]) -> Schema:
    """Return the response of an error status; the schema lists its codes."""
    # allOf: with sibling keywords, Swagger UI shows the code alone.
    schema = {"allOf": [reference(Problem.__name__), {"properties": {"code": {"enum": list(by_code)}}}]}
    response: Schema = {
        "description": " ".join(ERROR_KINDS[code].meaning for code in by_code),
        "content": {
            JSON: {
                "schema": schema,
                "examples": {code.value: {"value": problem} for code, problem in by_code.items()},
            }
        },
    }
    headers = dict.fromkeys(ERROR_KINDS[code].header for code in by_code if ERROR_KINDS[code].header)
    return {**response, "headers": list(headers)} if headers else response
