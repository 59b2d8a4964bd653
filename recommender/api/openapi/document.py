"""The description of the API in OpenAPI 3.1."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson

from recommender import __version__
from recommender.api.openapi.examples import fitted
from recommender.api.openapi.operations import (
    BATCH_BODY,
    JSON,
    PREVIEW_BODY,
    STREAMED_BATCH_BODY,
    TAGS,
    Answer,
    Operation,
    named,
    operations,
)
from recommender.api.openapi.refusals import HEADERS, MEANINGS, fixed, status_of
from recommender.api.openapi.schemas import Schema, answer_schemas, body_schema, reference
from recommender.api.problems import ErrorCode, Problem
from recommender.api.request_models import RequestLimits, request_models
from recommender.api_keys import Scope
from recommender.domains.base import Domain

TITLE = "Marquee API"
_DESCRIPTION = "Personalised recommendations for a media app, straight from the databases it already has."
_REQUEST_ID = "X-Request-ID"
_RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_HEADERS = {
    _REQUEST_ID: (
        "The caller's, where it is 1 to 64 of `A-Za-z0-9._-`; else a new one.",
        _TEXT,
    ),
    "X-RateLimit-Limit": ("Where there is a rate limit: how many requests it allows.", _COUNT),
    "X-RateLimit-Remaining": ("How many of them are left.", _COUNT),
    "X-RateLimit-Reset": ("When they are all back, in seconds since 1970.", _COUNT),
    "Retry-After": ("In how many seconds to try again.", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": ("How to send a key.", _TEXT),
    "Allow": ("The methods that the address takes.", _TEXT),
}
# Where they are described; the others only some answers of a status have.
_CERTAIN = {_REQUEST_ID, "WWW-Authenticate", "Allow"}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key of the service."},
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same, in a header of its own.",
    },
}
_ALWAYS = (ErrorCode.METHOD_NOT_ALLOWED, ErrorCode.INTERNAL_ERROR)
_GUARDED = (ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.TOO_MANY_REQUESTS)


def describe(limits: RequestLimits, *, keyed: bool) -> dict[str, Any]:
    """The description of a service with these limits; `keyed` where it asks for API keys.

    What may be answered is described alike with and without keys, so that a client made from the one
    handles the other's answers. How to send a key is described only where one has to be sent: no reader
    should ask for one in vain.
    """
    paths: defaultdict[str, Schema] = defaultdict(dict)
    for operation in operations(limits):
        fitted = _fitted(operation, limits.domain)
        paths[operation.path][operation.method.lower()] = _operation(fitted, keyed=keyed)
    schemas = _schemas(limits)
    # Some types only give their fields to others, and stand nowhere themselves.
    written = orjson.dumps([paths, schemas])
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": __version__, "description": _DESCRIPTION},
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
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


def _schemas(limits: RequestLimits) -> dict[str, Schema]:
    models = request_models(limits)
    bodies = {
        BATCH_BODY: ("For an answer in one piece.", models.batch),
        STREAMED_BATCH_BODY: ("For a streamed answer.", models.streamed_batch),
        PREVIEW_BODY: ("What somebody says they like.", models.preview),
    }
    described = {
        name: {"description": words, **body_schema(model)} for name, (words, model) in bodies.items()
    }
    return dict(sorted({**answer_schemas(limits.domain), **described}.items()))


def _fitted(operation: Operation, domain: Domain) -> Operation:
    """The operation with examples that have the attributes of the domain."""
    answers = (replace(answer, examples=fitted(answer.examples, domain)) for answer in operation.answers)
    return replace(operation, answers=tuple(answers))


def _pointer(name: str) -> bytes:
    return orjson.dumps(reference(name)["$ref"])


def _operation(operation: Operation, *, keyed: bool) -> Schema:
    described: Schema = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description + _scope_words(operation.scope),
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body is not None:
        described["requestBody"] = operation.body
    described["responses"] = _responses(operation)
    if keyed and operation.scope is not None:
        described["security"] = [{scheme: [operation.scope.value]} for scheme in _SCHEMES]
    return described


def _scope_words(scope: Scope | None) -> str:
    if scope is None:
        return " Needs no key."
    return f" Where keys are set, needs one with the scope `{scope.value}`."


def _responses(operation: Operation) -> Schema:
    guarded = operation.scope is not None
    problems = (*operation.problems, *fixed(*_ALWAYS, *(_GUARDED if guarded else ())))
    by_status = _answers(operation.answers) | _refusals(problems)
    for response in by_status.values():
        headers = [_REQUEST_ID, *(_RATE if guarded else ()), *response.get("headers", ())]
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return {str(int(status)): by_status[status] for status in sorted(by_status)}


def _answers(answers: Iterable[Answer]) -> dict[HTTPStatus, Schema]:
    responses: dict[HTTPStatus, Schema] = {}
    for answer in answers:
        response = responses.setdefault(answer.status, {"description": answer.description})
        if answer.schema is not None:
            media_type = {"schema": answer.schema, "examples": named(answer.examples)}
            response.setdefault("content", {})[answer.content_type] = media_type
    return responses


def _refusals(problems: Iterable[Problem]) -> dict[HTTPStatus, Schema]:
    """The errors, by status."""
    by_status: defaultdict[HTTPStatus, dict[ErrorCode, Problem]] = defaultdict(dict)
    for problem in problems:
        by_status[status_of(problem["code"])][problem["code"]] = problem
    return {status: _refusal(told) for status, told in by_status.items()}


def _refusal(told: dict[ErrorCode, Problem]) -> Schema:
    """An error; its schema says which codes come with its status here."""
    # Side by side would mean the same, but Swagger UI then shows the code alone.
    schema = {"allOf": [reference(Problem.__name__), {"properties": {"code": {"enum": list(told)}}}]}
    response: Schema = {
        "description": " ".join(MEANINGS[code] for code in told),
        "content": {
            JSON: {
                "schema": schema,
                "examples": {code.value: {"value": problem} for code, problem in told.items()},
            }
        },
    }
    headers = dict.fromkeys(HEADERS[code] for code in told if code in HEADERS)
    return {**response, "headers": list(headers)} if headers else response
