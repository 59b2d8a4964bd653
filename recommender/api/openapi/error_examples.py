"""Examples of the errors of an endpoint, with the messages that the service gives."""

from collections.abc import Callable, Iterator
from functools import partial

from pydantic import BaseModel
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request

from recommender.api.endpoints import Endpoint
from recommender.api.errors import BadRequestError, ErrorCode, Problem, fixed_problem
from recommender.api.parsing import parse_body, parse_query, wrong_host, wrong_id

_ALWAYS = (ErrorCode.METHOD_NOT_ALLOWED, ErrorCode.INTERNAL_ERROR)
_GUARDED = (ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.TOO_MANY_REQUESTS)
_OF_BODIES = (ErrorCode.BODY_TOO_LARGE, ErrorCode.UNSUPPORTED_MEDIA_TYPE)
# Values for parameters: almost every parameter refuses one of them.
_WRONG_TEXTS = ("0", "", "x")


def error_examples(endpoint: Endpoint) -> Iterator[Problem]:
    """Yield an example of each error of an endpoint."""
    yield _problem_of(wrong_host("other.example"))
    for name, path_id in endpoint.path.items():
        yield _problem_of(wrong_id("not an id", path_id.form, name, path_id.code))
    if endpoint.query is not None:
        yield from _wrong_queries(endpoint.query)
    if endpoint.body is not None:
        yield from _wrong_bodies(endpoint.body.model)
    yield from map(fixed_problem, _codes(endpoint))


def _codes(endpoint: Endpoint) -> Iterator[ErrorCode]:
    """Yield the codes of the errors that have a fixed message."""
    if endpoint.body is not None:
        yield from _OF_BODIES
    if endpoint.limiter is not None or endpoint.bodies:
        yield ErrorCode.OVERLOADED
    yield from endpoint.errors
    if endpoint.path:
        # An id with a slash would be another path.
        yield ErrorCode.NOT_FOUND
    yield from _ALWAYS
    if endpoint.scope is not None:
        yield from _GUARDED


def _wrong_queries(model: type[BaseModel]) -> Iterator[Problem]:
    """Yield an example of an invalid and of an unknown parameter."""
    wrong_values = ({name: text} for name in model.model_fields for text in _WRONG_TEXTS)
    for values in wrong_values:
        problem = _rejection(partial(parse_query, MultiDict(values), model))
        if problem is not None:
            yield problem
            break
    unknown = _unknown_name(model, "page")
    problem = _rejection(partial(parse_query, MultiDict({unknown: "2"}), model))
    if problem is not None:
        yield problem


def _wrong_bodies(model: type[BaseModel]) -> Iterator[Problem]:
    """Yield an example of an invalid body, and of a query string where none is allowed."""
    wrong = Request.from_values(method="POST", json={_unknown_name(model, "page"): 2})
    beside = Request.from_values(method="POST", json={}, query_string={"limit": "5"})
    for made in (wrong, beside):
        problem = _rejection(partial(parse_body, made, model))
        if problem is not None:
            yield problem


def _unknown_name(model: type[BaseModel], name: str) -> str:
    """Return a name that the model does not have."""
    while name in model.model_fields:
        name += "_"
    return name


def _rejection(attempt: Callable[[], object]) -> Problem | None:
    try:
        attempt()
    except BadRequestError as exc:
        return _problem_of(exc)
    return None


def _problem_of(exc: BadRequestError) -> Problem:
    return Problem(error=str(exc), code=exc.code)
