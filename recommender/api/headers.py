"""Sets security and CORS headers on every answer, and checks the Host header."""

import functools
import logging
import re
from collections.abc import Collection, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_cors import CORS

from config.access_settings import ANY_ORIGIN
from recommender.api.fields import shown
from recommender.api.parsing import wrong_host
from recommender.api.rate_limits import RATE_HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

# An answer that sets one of these itself, such as an HTML page, keeps its own.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_BY_LOWER_NAME = {name.lower(): (name, value) for name, value in SECURITY_HEADERS.items()}
_PREFLIGHT_S = 600
_REMEMBERED_HOSTS = 64


def refuse_other_hosts(app: Flask, hosts: Collection[str], except_for: Collection[str] = ()) -> None:
    """Reject unknown Host headers (DNS rebinding), except for some paths.

    Werkzeug's own check does not support IPv6 addresses.
    """

    # Most requests have one of a few Host headers, and Werkzeug parses them each time.
    @functools.lru_cache(maxsize=_REMEMBERED_HOSTS)
    def is_known(host: str) -> bool:
        try:
            return urlsplit(f"//{host}").hostname in hosts
        except ValueError:
            return False

    # Once for each host: a proxy that passes on a wrong one does so with each request.
    @functools.lru_cache(maxsize=_REMEMBERED_HOSTS)
    def report(host: str) -> None:
        logger.warning(
            "requests with the Host header %s are refused: ALLOWED_HOSTS does not name it", shown(host)
        )

    def refuse() -> None:
        host = request.environ.get("HTTP_HOST") or request.host
        if not is_known(host) and request.path not in except_for:
            report(host)
            raise wrong_host(host)

    app.before_request(refuse)


class SecurityHeaders:
    """WSGI middleware: sets the security headers on every answer, errors included.

    Not a function that Flask calls after each request: its headers object takes ten times as long.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request with the security headers that its answer does not set itself."""

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            given = {name.lower() for name, _ in headers}
            missing = [header for name, header in _BY_LOWER_NAME.items() if name not in given]
            return start_response(status, headers + missing, *error)

        return self._app(environ, start)


def register_cors(app: Flask, origins: Sequence[str]) -> None:
    """Allow only pages of these origins, or any for `*`, to call the API and to read answers and errors."""
    is_for_all = ANY_ORIGIN in origins
    # Flask-CORS treats a text with brackets, such as an IPv6 address, as an unanchored pattern.
    exact = [re.compile(rf"{re.escape(origin)}\Z", re.IGNORECASE) for origin in origins]
    CORS(
        app,
        origins=ANY_ORIGIN if is_for_all else exact,
        send_wildcard=True,
        methods=["GET", "HEAD", "POST", "OPTIONS"],
        allow_headers=["Accept", "Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
        expose_headers=[*RATE_HEADERS, "WWW-Authenticate", "X-Request-ID"],
        max_age=_PREFLIGHT_S,
        # Without an Origin header, too: a cache may give the answer to a page of another origin later.
        always_send=is_for_all,
        # Flask-CORS sets Vary only on answers to allowed origins.
        vary_header=False,
    )
    if not is_for_all:
        app.after_request(_vary_by_origin)
    app.before_request(_answer_preflight_for_unknown_address)


def _vary_by_origin(response: Response) -> Response:
    """Keep caches from giving an answer for one origin, or for none, to pages of another."""
    response.vary.add("Origin")
    return response


def _answer_preflight_for_unknown_address() -> Response | None:
    """Answer a preflight without an error: otherwise the page does not get to see the JSON 404."""
    is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    return Response(status=HTTPStatus.NO_CONTENT) if is_preflight and request.routing_exception else None
