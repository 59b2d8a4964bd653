"""The one shape of every error answer, and what becomes which status."""

import logging
from enum import StrEnum
from http import HTTPStatus

from flask import Flask, Response
from typing_extensions import TypedDict  # Pydantic asks for this one before Python 3.12.
from werkzeug.exceptions import HTTPException, MethodNotAllowed, Unauthorized

from recommender.api.concurrency import OverloadedError
from recommender.api.responses import json_response
from recommender.errors import NothingToRecommendFromError, UnknownMediaError

logger = logging.getLogger(__name__)


class ErrorCode(StrEnum):
    """The stable codes of error answers."""

    BAD_REQUEST = "bad_request"
    BODY_TOO_LARGE = "body_too_large"
    FORBIDDEN = "forbidden"
    INTERNAL_ERROR = "internal_error"
    INVALID_BODY = "invalid_body"
    INVALID_MEDIA_ID = "invalid_media_id"
    INVALID_PARAMETER = "invalid_parameter"
    INVALID_USER_ID = "invalid_user_id"
    MEDIA_NOT_FOUND = "media_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_FOUND = "not_found"
    OVERLOADED = "overloaded"
    SERVICE_UNAVAILABLE = "service_unavailable"
    TOO_MANY_REQUESTS = "too_many_requests"
    UNAUTHORIZED = "unauthorized"
    UNKNOWN_PARAMETER = "unknown_parameter"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"


class Problem(TypedDict):
    """What is wrong, in words and by a stable code."""

    error: str
    code: ErrorCode


# Of every code whose words are always the same; those of the others, all 400, say what is wrong where.
FIXED_PROBLEMS = {
    ErrorCode.BAD_REQUEST: (HTTPStatus.BAD_REQUEST, "bad request"),
    ErrorCode.UNAUTHORIZED: (
        HTTPStatus.UNAUTHORIZED,
        "this needs a valid API key, sent as Authorization: Bearer <key> or X-API-Key: <key>",
    ),
    ErrorCode.FORBIDDEN: (HTTPStatus.FORBIDDEN, "this API key does not have the scope for this"),
    ErrorCode.NOT_FOUND: (HTTPStatus.NOT_FOUND, "there is nothing at this address"),
    ErrorCode.MEDIA_NOT_FOUND: (HTTPStatus.NOT_FOUND, "there is no medium of this id in the catalogue"),
    ErrorCode.METHOD_NOT_ALLOWED: (
        HTTPStatus.METHOD_NOT_ALLOWED,
        "this address does not take this method",
    ),
    ErrorCode.BODY_TOO_LARGE: (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "the request body must not be larger than 1 MiB (8 MiB for a streamed answer)",
    ),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "the request body must be JSON, sent with Content-Type: application/json",
    ),
    ErrorCode.TOO_MANY_REQUESTS: (
        HTTPStatus.TOO_MANY_REQUESTS,
        "too many requests; try again after the seconds in Retry-After",
    ),
    ErrorCode.INTERNAL_ERROR: (HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong on our side"),
    ErrorCode.OVERLOADED: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too many requests are waiting already; try again in a moment",
    ),
    ErrorCode.SERVICE_UNAVAILABLE: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no recommendations can be given right now; try again in a moment",
    ),
}
_CODES_OF_HTTP_ERRORS = {
    FIXED_PROBLEMS[code][0]: code
    for code in (
        ErrorCode.UNAUTHORIZED,
        ErrorCode.FORBIDDEN,
        ErrorCode.NOT_FOUND,
        ErrorCode.METHOD_NOT_ALLOWED,
        ErrorCode.BODY_TOO_LARGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        ErrorCode.TOO_MANY_REQUESTS,
    )
}


class BreakOff(StrEnum):
    """Why a stream ends before its last user."""

    FAULT = "something went wrong on our side"
    STOPPING = "this server stops; ask again for the users that are missing"
    TOO_LONG = "it took too long; ask again for the users that are missing"


class BadRequestError(Exception):
    """The request is wrong in a way its sender can mend; the message says how."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def register_error_handlers(app: Flask) -> None:
    """Make every error of the app a JSON answer that gives nothing internal away."""
    app.register_error_handler(BadRequestError, _bad_request)
    app.register_error_handler(OverloadedError, _overloaded)
    app.register_error_handler(NothingToRecommendFromError, _unavailable)
    app.register_error_handler(UnknownMediaError, _unknown_media)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)


def broken_off(reason: BreakOff) -> Problem:
    """The last line of a stream that could not be finished."""
    code = ErrorCode.INTERNAL_ERROR if reason is BreakOff.FAULT else ErrorCode.SERVICE_UNAVAILABLE
    return Problem(error=f"the answer breaks off here: {reason}", code=code)


def _problem(status: int, code: ErrorCode, message: str) -> Response:
    return json_response(Problem(error=message, code=code), status)


def _fixed_problem(code: ErrorCode) -> Response:
    status, message = FIXED_PROBLEMS[code]
    return _problem(status, code, message)


def _bad_request(exc: BadRequestError) -> Response:
    return _problem(HTTPStatus.BAD_REQUEST, exc.code, str(exc))


def _unavailable(_: NothingToRecommendFromError) -> Response:
    return _fixed_problem(ErrorCode.SERVICE_UNAVAILABLE)


def _unknown_media(_: UnknownMediaError) -> Response:
    return _fixed_problem(ErrorCode.MEDIA_NOT_FOUND)


def _overloaded(_: OverloadedError) -> Response:
    response = _fixed_problem(ErrorCode.OVERLOADED)
    response.headers["Retry-After"] = "1"
    return response


def _http_error(exc: HTTPException) -> Response:
    status = HTTPStatus(exc.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    code = _CODES_OF_HTTP_ERRORS.get(status)
    if code is None:
        response = _problem(status, ErrorCode.BAD_REQUEST, status.phrase.lower())
    else:
        response = _fixed_problem(code)
    if isinstance(exc, MethodNotAllowed) and exc.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(exc.valid_methods))
    if isinstance(exc, Unauthorized):
        for challenge in exc.www_authenticate or ():
            response.headers.add("WWW-Authenticate", challenge.to_header())
    return response


def _fault(_: Exception) -> Response:
    logger.exception("a request failed")
    return _fixed_problem(ErrorCode.INTERNAL_ERROR)
