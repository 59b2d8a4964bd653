"""Answers errors as HTML messages in the page instead of JSON."""

import logging
from http import HTTPStatus
from urllib.parse import quote

from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from recommender.api.concurrency import OverloadedError
from recommender.api.errors import BadRequestError, add_challenges
from recommender.api.responses import with_query
from recommender.errors import DatabaseUnavailableError, NothingToRecommendFromError, UnknownItemError

logger = logging.getLogger(__name__)

_MESSAGES = {
    HTTPStatus.UNAUTHORIZED: "A valid API key with the scope “read” is needed.",
    HTTPStatus.FORBIDDEN: "This key does not have the scope “read”.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests.",
}
# The target of a ranking: on an error the old ranking stays, and the message goes elsewhere.
_KEPT = "results"
_KEPT_PROBLEM = "#problem"


def register_fragment_errors(blueprint: Blueprint) -> None:
    """Answer errors of a blueprint as HTML fragments, with no more details than the API gives."""
    blueprint.register_error_handler(BadRequestError, _bad_request)
    blueprint.register_error_handler(OverloadedError, _overloaded)
    blueprint.register_error_handler(NothingToRecommendFromError, _nothing)
    blueprint.register_error_handler(DatabaseUnavailableError, _database)
    blueprint.register_error_handler(UnknownItemError, _unknown_item)
    blueprint.register_error_handler(HTTPException, _http_error)
    blueprint.register_error_handler(Exception, _fault)


def _problem(status: int, message: str, *, retry: bool = True) -> Response:
    target = request.headers.get("HX-Target")
    html = render_template(
        "explorer/problem.html",
        message=message,
        retry=_relative_address() if retry and target not in (None, _KEPT) else None,
        target=target,
    )
    response = make_response(html, status)
    if target == _KEPT:
        response.headers["HX-Retarget"] = _KEPT_PROBLEM
        response.headers["HX-Reswap"] = "innerHTML"
    return response


def _relative_address() -> str:
    # Without a slash at the start: after two, browsers read a host name.
    return with_query(quote(request.path.lstrip("/")))


def _bad_request(exc: BadRequestError) -> Response:
    return _problem(HTTPStatus.BAD_REQUEST, f"{exc}.", retry=False)


def _overloaded(_: OverloadedError) -> Response:
    response = _problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests are waiting already. Try again in a moment."
    )
    response.headers["Retry-After"] = "1"
    return response


def _nothing(_: NothingToRecommendFromError) -> Response:
    return _problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Nothing can be shown right now: catalog_db does not answer, and the cache holds no items. "
        "Try again in a few seconds.",
    )


def _database(exc: DatabaseUnavailableError) -> Response:
    return _problem(
        HTTPStatus.SERVICE_UNAVAILABLE, f"{exc.database} does not answer. Try again in a few seconds."
    )


def _unknown_item(_: UnknownItemError) -> Response:
    return _problem(HTTPStatus.NOT_FOUND, "This item is not in the catalog any more.", retry=False)


def _http_error(exc: HTTPException) -> Response:
    status = HTTPStatus(exc.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    message = _MESSAGES.get(status, f"{status.phrase}.")
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        # The rate limiter sets Retry-After later; the page's script puts the seconds into this text.
        message += " Try again in a moment."
    response = _problem(status, message, retry=status is HTTPStatus.TOO_MANY_REQUESTS)
    add_challenges(response, exc)
    return response


def _fault(_: Exception) -> Response:
    logger.exception("a request failed")
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.")
