"""The problems that operations tell of, in the words that the service says."""

from collections.abc import Callable
from http import HTTPStatus

from pydantic import BaseModel
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request

from recommender.api.parsing import parse_body, parse_query, wrong_id
from recommender.api.problems import FIXED_PROBLEMS, BadRequestError, ErrorCode, Problem
from recommender.ids import IdForm

MEANINGS = {
    ErrorCode.BAD_REQUEST: "The request cannot be read.",
    ErrorCode.BODY_TOO_LARGE: "The body is over 1 MiB, or 8 MiB for a streamed answer.",
    ErrorCode.FORBIDDEN: "The API key does not have the scope for this.",
    ErrorCode.INTERNAL_ERROR: "A fault of the service, whose log has the trace.",
    ErrorCode.INVALID_BODY: "The body is not what it must be.",
    ErrorCode.INVALID_MEDIA_ID: "The media id is not of the form that media ids have.",
    ErrorCode.INVALID_PARAMETER: "A query parameter is not what it must be.",
    ErrorCode.INVALID_USER_ID: "The user id is not of the form that user ids have.",
    ErrorCode.MEDIA_NOT_FOUND: "The catalogue has no such medium.",
    ErrorCode.METHOD_NOT_ALLOWED: "The address does not take the method.",
    ErrorCode.NOT_FOUND: "There is no such address.",
    ErrorCode.OVERLOADED: "Too many requests are waiting already.",
    ErrorCode.SERVICE_UNAVAILABLE: "catalog_db does not answer, and nothing fitting is cached.",
    ErrorCode.TOO_MANY_REQUESTS: "The caller asks more often than the rate limit allows, where there is one.",
    ErrorCode.UNAUTHORIZED: "There is no valid API key, where keys are set.",
    ErrorCode.UNKNOWN_PARAMETER: "There is no such query parameter.",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "The body is not sent as JSON.",
}
HEADERS = {
    ErrorCode.METHOD_NOT_ALLOWED: "Allow",
    ErrorCode.OVERLOADED: "Retry-After",
    ErrorCode.TOO_MANY_REQUESTS: "Retry-After",
    ErrorCode.UNAUTHORIZED: "WWW-Authenticate",
}


def status_of(code: ErrorCode) -> HTTPStatus:
    """The status that a code comes with."""
    return FIXED_PROBLEMS[code][0] if code in FIXED_PROBLEMS else HTTPStatus.BAD_REQUEST


def fixed(*codes: ErrorCode) -> tuple[Problem, ...]:
    """Problems whose words are always the same."""
    return tuple(Problem(error=FIXED_PROBLEMS[code][1], code=code) for code in codes)


def wrong_path_id(form: IdForm, name: str, code: ErrorCode) -> Problem:
    """What is said of an id that is none."""
    return _told_by(wrong_id("not an id", form, name, code))


def wrong_queries(model: type[BaseModel]) -> tuple[Problem, ...]:
    """What is said of a query string that is wrong."""
    return (
        _refused(lambda: parse_query(MultiDict({"limit": "0"}), model)),
        _refused(lambda: parse_query(MultiDict({"page": "2"}), model)),
    )


def wrong_bodies(model: type[BaseModel]) -> tuple[Problem, ...]:
    """What is said of a body that is wrong, and of a query string where none belongs."""
    wrong = Request.from_values(method="POST", json={"page": 2})
    beside = Request.from_values(method="POST", json={}, query_string={"limit": "5"})
    return (
        _refused(lambda: parse_body(wrong, model)),
        _refused(lambda: parse_body(beside, model)),
        *fixed(ErrorCode.BAD_REQUEST, ErrorCode.BODY_TOO_LARGE, ErrorCode.UNSUPPORTED_MEDIA_TYPE),
    )


def _refused(attempt: Callable[[], object]) -> Problem:
    try:
        attempt()
    except BadRequestError as exc:
        return _told_by(exc)
    raise AssertionError("what was to be an example of a wrong request is allowed")


def _told_by(exc: BadRequestError) -> Problem:
    return Problem(error=str(exc), code=exc.code)
