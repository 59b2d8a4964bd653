"""Declares endpoints, each once, above its view.

The declaration decides how requests are validated, which key they need, which errors they may get, and the
endpoint's part of `/openapi.json`. A route without a declaration is not described. It needs a key with the
scope `read`, unless it is marked as `public`.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar

from flask import Blueprint, Flask, Response, request
from pydantic import BaseModel
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_options_header

from config.access_settings import KeyScope
from recommender.api.concurrency import ConcurrencyLimiter
from recommender.api.errors import ErrorCode
from recommender.api.id_paths import id_rule
from recommender.api.parsing import MAX_BODY_BYTES, parse_body, parse_id, parse_query
from recommender.api.responses import json_response
from recommender.api.streams import NDJSON
from recommender.texts.ids import IdForm

JSON = "application/json"

_DECLARATION = "marquee_endpoint"
_IS_PUBLIC = "marquee_is_public"
# A parameter of a URL rule: `<name>` or `<converter:name>`.
_PARAMETER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")

Schema: TypeAlias = Mapping[str, Any]
Examples: TypeAlias = Mapping[str, Any]
V = TypeVar("V", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Tag:
    """A heading of the API description, with its endpoints."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class PathId:
    """An id in a path. `code`: error code for an id of another form."""

    form: IdForm
    code: ErrorCode
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON body, read within `limiter`. `example`: described if the model accepts it."""

    model: type[BaseModel]
    limiter: ConcurrencyLimiter
    example: Mapping[str, Any]
    max_bytes: int = MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer. `content`: a typed dict or a JSON Schema; None without a body."""

    content: type | Schema | None
    examples: Examples = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK
    description: str = "The answer."
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Stream:
    """The NDJSON form of an answer: each line a typed dict, the last one possibly an error.

    It has its own request body and limiter.
    """

    line: type
    examples: Examples
    body: Body
    limiter: ConcurrencyLimiter | None = None


@dataclass(frozen=True)
class Endpoint:
    """A method and a URL rule; decorates the view.

    Keyword arguments of the view: each id of `path` in its canonical form and, if declared, the validated
    `query` and `body` (the stream's for an NDJSON request), and the `limiter` to work in. The view returns a
    response, or a mapping that is sent as JSON.

    `name`: the operation id. `errors`: those that only the view raises; errors of validation, keys, limiters,
    methods and faults are derived. `scope`: the scope a key must have; None needs no key.
    """

    blueprint: Blueprint
    method: str
    rule: str
    name: str
    tag: Tag
    summary: str
    description: str
    answers: tuple[Answer, ...]
    path: Mapping[str, PathId] = field(default_factory=dict)
    query: type[BaseModel] | None = None
    body: Body | None = None
    stream: Stream | None = None
    errors: tuple[ErrorCode, ...] = ()
    scope: KeyScope | None = KeyScope.READ
    limiter: ConcurrencyLimiter | None = None

    def __call__(self, view: Callable[..., Response | Mapping[str, object]]) -> Callable[..., Response]:
        """Register the view, behind the validation of its requests.

        Raises:
            ValueError: the rule or the view has other parameters than declared.
        """
        self._check_parameters(view)

        @functools.wraps(view)
        def answer(**path: str) -> Response:
            result = view(**self._validated(path))
            return result if isinstance(result, Response) else json_response(result)

        setattr(answer, _DECLARATION, self)
        rule = id_rule(self.blueprint, self.rule, **{name: each.form for name, each in self.path.items()})
        self.blueprint.add_url_rule(rule, view_func=answer, methods=[self.method])
        return answer

    @property
    def bodies(self) -> tuple[Body, ...]:
        """Return the request bodies of the endpoint."""
        streamed = None if self.stream is None else self.stream.body
        return tuple(body for body in (self.body, streamed) if body is not None)

    def _check_parameters(self, view: Callable[..., object]) -> None:
        """Compare the rule and the view with the declaration.

        Raises:
            ValueError: the parameters differ.
        """
        if set(_PARAMETER.findall(self.rule)) != set(self.path):
            raise ValueError(f"{self.name}: {self.rule} must have the parameters {sorted(self.path)}")
        parts = {"query": self.query, "body": self.body, "limiter": self.limiter}
        given = {*self.path, *(name for name, part in parts.items() if part is not None)}
        if set(inspect.signature(view).parameters) != given:
            raise ValueError(f"{self.name}: its view must take {sorted(given)}")

    def _validated(self, path: Mapping[str, str]) -> dict[str, Any]:
        """Return the keyword arguments of the view.

        Raises:
            BadRequestError, OverloadedError, UnsupportedMediaType, RequestEntityTooLarge: as parsing does.
        """
        arguments: dict[str, Any] = {
            name: parse_id(path[name], declared.form, name, declared.code)
            for name, declared in self.path.items()
        }
        if self.query is not None:
            arguments["query"] = parse_query(request.args, self.query)
        chosen: Endpoint | Stream = self
        if self.stream is not None and _prefers_ndjson(request.accept_mimetypes):
            chosen = self.stream
        if chosen.body is not None:
            with chosen.body.limiter.limit():
                arguments["body"] = parse_body(request, chosen.body.model, chosen.body.max_bytes)
        if chosen.limiter is not None:
            arguments["limiter"] = chosen.limiter
        return arguments


def public(view: V) -> V:
    """Mark a view as free of key and rate limit, because it shows no data."""
    setattr(view, _IS_PUBLIC, True)
    return view


def needed_scope(view: Callable[..., Any] | None) -> KeyScope | None:
    """Return the scope that a view needs, None if it needs no key. The default is `read`."""
    declared = getattr(view, _DECLARATION, None)
    if isinstance(declared, Endpoint):
        return declared.scope
    return None if getattr(view, _IS_PUBLIC, False) else KeyScope.READ


def declared_endpoints(app: Flask) -> Iterator[tuple[str, Endpoint]]:
    """Return the endpoints of an app by OpenAPI path, in the order of registration."""
    for rule in app.url_map.iter_rules():
        declared = getattr(app.view_functions[rule.endpoint], _DECLARATION, None)
        if isinstance(declared, Endpoint):
            yield _PARAMETER.sub(r"{\1}", rule.rule), declared


def _prefers_ndjson(accepted: MIMEAccept) -> bool:
    """Return whether Accept names NDJSON and prefers it to JSON.

    At the same quality, JSON is preferred, unless only a wildcard accepts it.
    """
    # Werkzeug finds a type only with the same parameters, such as a charset. Neither type has any.
    types = MIMEAccept((parse_options_header(name)[0].lower(), quality) for name, quality in accepted)
    return NDJSON in set(types.values()) and types.best_match((JSON, NDJSON)) == NDJSON
