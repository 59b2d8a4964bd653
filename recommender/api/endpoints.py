"""How an endpoint is declared: once, above its view.

From the declaration follow how its requests are validated, what key they need, which errors they may get, and
the endpoint's part of `/openapi.json`. A route that is not declared needs a key with the scope `read`, unless
it is marked as `public`, and is not described.
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

from config.access_settings import Scope
from recommender.api.concurrency import Lane
from recommender.api.errors import ErrorCode
from recommender.api.parsing import MAX_BODY_BYTES, parse_body, parse_id, parse_query
from recommender.api.responses import json_response
from recommender.api.streams import NDJSON
from recommender.ids import IdForm

JSON = "application/json"

_DECLARATION = "marquee_endpoint"
_IS_PUBLIC = "marquee_is_public"
# A parameter of a rule: `<name>`, or `<converter:name>`.
_PARAMETER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")

Schema: TypeAlias = Mapping[str, Any]
Examples: TypeAlias = Mapping[str, Any]
V = TypeVar("V", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Tag:
    """A heading that endpoints are described under."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class PathId:
    """An id in a path. `code`: of the error where it does not have the form."""

    form: IdForm
    code: ErrorCode
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON body, read within `lane`. The example is described where the model accepts it."""

    model: type[BaseModel]
    lane: Lane
    example: Mapping[str, Any]
    max_bytes: int = MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error. `content`: a typed dict, or a JSON Schema; None where there is no body."""

    content: type | Schema | None
    examples: Examples = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK
    description: str = "The answer."
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Stream:
    """What a caller who prefers NDJSON gets: lines that are typed dicts, and may end in an error.

    It has a body and a lane of its own.
    """

    line: type
    examples: Examples
    body: Body
    lane: Lane | None = None


@dataclass(frozen=True)
class Endpoint:
    """A method at an address; used as the decorator of its view.

    The view gets by keyword: each id of `path` in its canonical form, and, where they are declared, the
    validated `query` and `body` (of the stream, where that is asked for), and the `lane` it has to work in.
    It returns a response, or a mapping that is sent as JSON.

    `name`: the operation's id. `errors`: those that only the view can raise; the errors of validation, keys,
    lanes, methods and faults follow from the rest. `scope`: what a key must have; None needs no key.
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
    scope: Scope | None = Scope.READ
    lane: Lane | None = None

    def __call__(self, view: Callable[..., Response | Mapping[str, object]]) -> Callable[..., Response]:
        """Register the view, behind the validation of its requests.

        Raises:
            ValueError: the parameters of the rule or of the view are not those that are declared.
        """
        self._check_parameters(view)

        @functools.wraps(view)
        def answer(**path: str) -> Response:
            result = view(**self._validated(path))
            return result if isinstance(result, Response) else json_response(result)

        setattr(answer, _DECLARATION, self)
        self.blueprint.add_url_rule(self.rule, view_func=answer, methods=[self.method])
        return answer

    @property
    def bodies(self) -> tuple[Body, ...]:
        """The bodies that it takes."""
        streamed = None if self.stream is None else self.stream.body
        return tuple(body for body in (self.body, streamed) if body is not None)

    def _check_parameters(self, view: Callable[..., object]) -> None:
        """Compare the rule and the view with the declaration.

        Raises:
            ValueError: they have other parameters.
        """
        if set(_PARAMETER.findall(self.rule)) != set(self.path):
            raise ValueError(f"{self.name}: {self.rule} must have the parameters {sorted(self.path)}")
        parts = {"query": self.query, "body": self.body, "lane": self.lane}
        given = {*self.path, *(name for name, part in parts.items() if part is not None)}
        if set(inspect.signature(view).parameters) != given:
            raise ValueError(f"{self.name}: its view must take {sorted(given)}")

    def _validated(self, path: Mapping[str, str]) -> dict[str, Any]:
        """The arguments of the view.

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
            with chosen.body.lane.limit():
                arguments["body"] = parse_body(request, chosen.body.model, chosen.body.max_bytes)
        if chosen.lane is not None:
            arguments["lane"] = chosen.lane
        return arguments


def public(view: V) -> V:
    """Mark a view that needs no key and has no rate limit, as it shows no data."""
    setattr(view, _IS_PUBLIC, True)
    return view


def needed_scope(view: Callable[..., Any] | None) -> Scope | None:
    """What a key must have for a view; None where no key is needed. Where nothing is said, one is."""
    declared = getattr(view, _DECLARATION, None)
    if isinstance(declared, Endpoint):
        return declared.scope
    return None if getattr(view, _IS_PUBLIC, False) else Scope.READ


def declared_endpoints(app: Flask) -> Iterator[tuple[str, Endpoint]]:
    """The endpoints of an app by their paths, as OpenAPI writes them, in the order of registration."""
    for rule in app.url_map.iter_rules():
        declared = getattr(app.view_functions[rule.endpoint], _DECLARATION, None)
        if isinstance(declared, Endpoint):
            yield _PARAMETER.sub(r"{\1}", rule.rule), declared


def _prefers_ndjson(accepted: MIMEAccept) -> bool:
    """Whether it is named, not refused by a quality of 0, and JSON is not named as wanted as much."""
    named = dict.fromkeys((JSON, NDJSON), 0.0) | {name.lower(): quality for name, quality in accepted}
    return named[NDJSON] > named[JSON]
