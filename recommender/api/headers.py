"""Sets security and CORS headers on every answer, and checks the Host header."""

import re
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_cors import CORS
from werkzeug.exceptions import BadRequest

from recommender.api.rate_limits import RATE_HEADERS

# An answer that sets one of these itself, such as an HTML page, keeps its own.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PREFLIGHT_S = 600


def refuse_other_hosts(app: Flask, hosts: Collection[str]) -> None:
    """Reject unknown Host headers (DNS rebinding).

    Werkzeug's own check does not support IPv6 addresses.
    """

    def refuse() -> None:
        if urlsplit(f"//{request.host}").hostname not in hosts:
            raise BadRequest

    app.before_request(refuse)


def register_security_headers(app: Flask) -> None:
    """Set the security headers on every answer, errors included."""
    app.after_request(_add_security_headers)


def register_cors(app: Flask, origins: Sequence[str]) -> None:
    """Allow pages of these origins only to call the API and to read answers and errors."""
    CORS(
        app,
        # Flask-CORS treats a text with brackets, such as an IPv6 address, as an unanchored pattern.
        origins=[re.compile(rf"{re.escape(origin)}\Z", re.IGNORECASE) for origin in origins],
        methods=["GET", "HEAD", "POST", "OPTIONS"],
        allow_headers=["Accept", "Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
        expose_headers=[*RATE_HEADERS, "WWW-Authenticate", "X-Request-ID"],
        max_age=_PREFLIGHT_S,
        # Do not list the allowed origins to a request without an Origin header.
        always_send=False,
    )


def _add_security_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
