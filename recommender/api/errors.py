"""Defines the JSON shape of errors, and maps exceptions to status codes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from flask import Flask, Response
from typing_extensions import TypedDict  # Required by pydantic before Python 3.12.
from werkzeug.exceptions import HTTPException, MethodNotAllowed, Unauthorized, UnsupportedMediaType
from werkzeug.http import quote_header_value

from recommender.api.concurrency import OverloadedError
from recommender.api.responses import json_response
from recommender.errors import NothingToRecommendFromError, UnknownItemError

logger = logging.getLogger(__name__)

# The content coding of a body as it is.
NOT_COMPRESSED = "identity"


class ErrorCode(StrEnum):
    """Stable error codes."""

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
    """An error: a message, and a stable code."""

    error: str
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """What belongs to an error code.

    `message`: None if it depends on the request. `header`: a header that may come with it.
    """

    status: HTTPStatus
    meaning: str
    message: str | None = None
    header: str | None = None


ERROR_KINDS: Mapping[ErrorCode, ErrorKind] = {
    ErrorCode.BAD_REQUEST: ErrorKind(
        HTTPStatus.BAD_REQUEST,
        "The Host header does not name this service, or the request cannot be read.",
        message="bad request",
    ),
    ErrorCode.BODY_TOO_LARGE: ErrorKind(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The body is over 1 MiB, or 8 MiB for a streamed answer.",
        message="the request body must not be larger than 1 MiB (8 MiB for a streamed answer)",
    ),
    ErrorCode.FORBIDDEN: ErrorKind(
        HTTPStatus.FORBIDDEN,
        "The API key lacks the scope that this needs.",
        message="this API key does not have the scope for this",
    ),
    ErrorCode.INTERNAL_ERROR: ErrorKind(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "A fault of the service. Its log has the traceback.",
        message="something went wrong on our side",
    ),
    ErrorCode.INVALID_BODY: ErrorKind(HTTPStatus.BAD_REQUEST, "The body is invalid."),
    ErrorCode.INVALID_MEDIA_ID: ErrorKind(HTTPStatus.BAD_REQUEST, "The media id is malformed."),
    ErrorCode.INVALID_PARAMETER: ErrorKind(HTTPStatus.BAD_REQUEST, "A query parameter is invalid."),
    ErrorCode.INVALID_USER_ID: ErrorKind(HTTPStatus.BAD_REQUEST, "The user id is malformed."),
    ErrorCode.MEDIA_NOT_FOUND: ErrorKind(
        HTTPStatus.NOT_FOUND,
        "The catalog has no such medium.",
        message="there is no medium of this id in the catalogue",
    ),
    ErrorCode.METHOD_NOT_ALLOWED: ErrorKind(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The address does not allow the method.",
        message="this address does not take this method",
        header="Allow",
    ),
    ErrorCode.NOT_FOUND: ErrorKind(
        HTTPStatus.NOT_FOUND, "The address does not exist.", message="there is nothing at this address"
    ),
    ErrorCode.OVERLOADED: ErrorKind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many requests are waiting already.",
        message="too many requests are waiting already; try again in a moment",
        header="Retry-After",
    ),
    ErrorCode.SERVICE_UNAVAILABLE: ErrorKind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "catalog_db does not answer, and the cache holds no answer.",
        message="no recommendations can be given right now; try again in a moment",
    ),
    ErrorCode.TOO_MANY_REQUESTS: ErrorKind(
        HTTPStatus.TOO_MANY_REQUESTS,
        "The caller exceeds the rate limit, if one is set.",
        message="too many requests; try again after the seconds in Retry-After",
        header="Retry-After",
    ),
    ErrorCode.UNAUTHORIZED: ErrorKind(
        HTTPStatus.UNAUTHORIZED,
        "Keys are set, and the request has no valid one.",
        message="this needs a valid API key, sent as Authorization: Bearer <key> or X-API-Key: <key>",
        header="WWW-Authenticate",
    ),
    ErrorCode.UNKNOWN_PARAMETER: ErrorKind(HTTPStatus.BAD_REQUEST, "The query parameter is unknown."),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: ErrorKind(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is not sent as JSON in UTF-8, or is compressed.",
        message="the request body must be JSON in UTF-8, not compressed, sent with "
        "Content-Type: application/json",
        header="Accept-Encoding",
    ),
}
_CODES_OF_HTTP_ERRORS = {
    ERROR_KINDS[code].status: code
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
    """The reasons for which a stream ends before its last user."""

    FAULT = "something went wrong on our side"
    STOPPING = "this server stops; ask again for the users that are missing"
    TOO_LONG = "it took too long; ask again for the users that are missing"

    @property
    def label(self) -> str:
        """Return the name for logs and metrics."""
        return self.name.lower()


class BadRequestError(Exception):
    """The request is invalid; the message says what is allowed."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class CompressedBodyError(UnsupportedMediaType):
    """The body is compressed, which the service does not read."""


def register_error_handlers(app: Flask) -> None:
    """Answer every error of the app in JSON, without internal details."""
    app.register_error_handler(BadRequestError, _bad_request)
    app.register_error_handler(OverloadedError, _overloaded)
    app.register_error_handler(NothingToRecommendFromError, _unavailable)
    app.register_error_handler(UnknownItemError, _unknown_item)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)


def broken_off(reason: BreakOff) -> Problem:
    """Return the last line of a stream that ends too early."""
    code = ErrorCode.INTERNAL_ERROR if reason is BreakOff.FAULT else ErrorCode.SERVICE_UNAVAILABLE
    return Problem(error=f"the answer breaks off here: {reason}", code=code)


def fixed_problem(code: ErrorCode) -> Problem:
    """Return the message of an error that has a fixed one.

    Raises:
        ValueError: the message depends on the request.
    """
    message = ERROR_KINDS[code].message
    if message is None:
        raise ValueError(f"what {code} says depends on the request")
    return Problem(error=message, code=code)


def add_challenges(response: Response, exc: HTTPException) -> None:
    """Add the WWW-Authenticate headers of an error, if it has any."""
    if isinstance(exc, Unauthorized):
        for challenge in exc.www_authenticate or ():
            # Werkzeug leaves out quotes where it can, but a realm must have them (RFC 9110, 11.5).
            quoted = [
                f"{name}={quote_header_value(value, allow_token=False)}"
                for name, value in challenge.parameters.items()
            ]
            response.headers.add("WWW-Authenticate", f"{challenge.type.title()} {', '.join(quoted)}")


def _problem(status: int, code: ErrorCode, message: str) -> Response:
    return json_response(Problem(error=message, code=code), status)


def _fixed_response(code: ErrorCode) -> Response:
    return json_response(fixed_problem(code), ERROR_KINDS[code].status)


def _bad_request(exc: BadRequestError) -> Response:
    return _problem(HTTPStatus.BAD_REQUEST, exc.code, str(exc))


def _unavailable(_: NothingToRecommendFromError) -> Response:
    return _fixed_response(ErrorCode.SERVICE_UNAVAILABLE)


def _unknown_item(_: UnknownItemError) -> Response:
    return _fixed_response(ErrorCode.MEDIA_NOT_FOUND)


def _overloaded(_: OverloadedError) -> Response:
    response = _fixed_response(ErrorCode.OVERLOADED)
    response.headers["Retry-After"] = "1"
    return response


def _http_error(exc: HTTPException) -> Response:
    status = HTTPStatus(exc.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    code = _CODES_OF_HTTP_ERRORS.get(status)
    if code is None:
        response = _problem(status, ErrorCode.BAD_REQUEST, status.phrase.lower())
    else:
        response = _fixed_response(code)
    if isinstance(exc, MethodNotAllowed) and exc.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(exc.valid_methods))
    if isinstance(exc, CompressedBodyError):
        response.headers["Accept-Encoding"] = NOT_COMPRESSED
    add_challenges(response, exc)
    return response


def _fault(_: Exception) -> Response:
    logger.exception("a request failed")
    return _fixed_response(ErrorCode.INTERNAL_ERROR)
