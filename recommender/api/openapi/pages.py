"""Serves the description as JSON, and Swagger UI from its package."""

import re
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from threading import Lock

import orjson
from flask import Blueprint, Response, abort, current_app, request, send_file
from werkzeug.wrappers import Response as BaseResponse

from recommender import __version__
from recommender.api.endpoints import Answer, Endpoint, declared_endpoints, public
from recommender.api.openapi.document import TITLE, describe
from recommender.api.responses import moved_to
from recommender.api.tags import SERVICE_TAG
from recommender.domains.base import Domain

# No other origins, and no inline script or style.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OURS = Path(__file__).parent / "reader"
_THEIRS = Path(str(files("flask_swagger_ui"))) / "dist"
_ASSETS = {
    path.name: path
    for path in (
        _OURS / "reader.css",
        _OURS / "reader.js",
        _THEIRS / "favicon-32x32.png",
        _THEIRS / "swagger-ui-bundle.js",
        _THEIRS / "swagger-ui.css",
    )
}
# The path below which a proxy serves.
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_DOCUMENT = {"type": "object", "required": ["openapi", "info", "paths"]}
_EXCERPT = {"openapi": "3.1.0", "info": {"title": TITLE, "version": __version__}, "paths": {}}


def openapi_blueprint(domain: Domain, *, keyed: bool) -> Blueprint:
    """Return the blueprint of the description and of Swagger UI.

    `domain`: of the items. `keyed`: whether keys are set.
    """
    blueprint = Blueprint("openapi", __name__)
    _add_description(blueprint, domain, keyed=keyed)
    _add_swagger_ui(blueprint)
    return blueprint


def _add_description(blueprint: Blueprint, domain: Domain, *, keyed: bool) -> None:
    lock = Lock()

    @cache
    def description() -> bytes:
        return orjson.dumps(describe(declared_endpoints(current_app), domain, keyed=keyed))

    @Endpoint(
        blueprint,
        "GET",
        "/openapi.json",
        name="getDescription",
        tag=SERVICE_TAG,
        summary="This description",
        description="The API in OpenAPI 3.1.",
        answers=(
            Answer(_DOCUMENT, {"excerpt": _EXCERPT}),
            Answer(
                None,
                status=HTTPStatus.NOT_MODIFIED,
                description="The description matches `If-None-Match`.",
            ),
        ),
        scope=None,
    )
    def get_description() -> Response:
        # Concurrent first requests build it once.
        with lock:
            data = description()
        below_prefix = _with_server(data, request.script_root)
        return _revalidated(Response(below_prefix, mimetype="application/json"))


def _with_server(description: bytes, prefix: str) -> bytes:
    """Return the description with the path prefix of all addresses, if there is one.

    Without one, OpenAPI's default holds. A relative `.` would fit both, but many tools resolve it wrongly.
    """
    if not _PREFIX.fullmatch(prefix):
        return description
    return description[:-1] + b',"servers":' + orjson.dumps([{"url": prefix}]) + b"}"


def _add_swagger_ui(blueprint: Blueprint) -> None:
    page = (_OURS / "reader.html").read_bytes()

    @blueprint.get("/docs")
    @public
    def get_docs() -> Response:
        response = Response(page, mimetype="text/html")
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return _revalidated(response)

    @blueprint.get("/docs/")
    @public
    def redirect_to_docs() -> BaseResponse:
        return moved_to("../docs")

    @blueprint.get("/docs/<name>", endpoint="static")
    @public
    def get_asset(name: str) -> Response:
        if name not in _ASSETS:
            abort(404)
        return send_file(_ASSETS[name])


def _revalidated(response: Response) -> Response:
    """Let caches keep the response, but revalidate it: another release has another description."""
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response
