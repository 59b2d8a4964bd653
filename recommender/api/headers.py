"""Headers that go with every answer: what a browser may do with it, and which pages may ask."""

import re
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_cors import CORS
from werkzeug.exceptions import BadRequest

from recommender.api.rate_limits import RATE_HEADERS

# An answer that brings its own of these, as a page of HTML must, keeps it.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PREFLIGHT_S = 600


def refuse_other_hosts(app: Flask, hosts: Collection[str]) -> None:
    """Answer only for these names, lest a page that has its own name lead here be taken for one of ours.

    Werkzeug's own check knows no IPv6 addresses.
    """

    def refuse() -> None:
        if urlsplit(f"//{request.host}").hostname not in hosts:
            raise BadRequest

    app.before_request(refuse)


def register_security_headers(app: Flask) -> None:
    """Put the security headers on every answer, errors included."""
    app.after_request(_add_security_headers)


def register_cors(app: Flask, origins: Sequence[str]) -> None:
    """Let pages of these origins, and no others, call the API and read its answers and errors."""
    CORS(
        app,
        # Flask-CORS takes texts with brackets, as IPv6 addresses have, for patterns, without anchors.
        origins=[re.compile(rf"{re.escape(origin)}\Z", re.IGNORECASE) for origin in origins],
        methods=["GET", "HEAD", "POST", "OPTIONS"],
        allow_headers=["Accept", "Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
        expose_headers=[*RATE_HEADERS, "WWW-Authenticate", "X-Request-ID"],
        max_age=_PREFLIGHT_S,
        # A caller that names no origin is not told which there are.
        always_send=False,
    )


def _add_security_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
