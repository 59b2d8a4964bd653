"""The description as JSON, and Swagger UI, from its package, to read it and try things out."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Lock

import orjson
from flask import Blueprint, Response, abort, request, send_file

from recommender.api.openapi.document import describe
from recommender.api.request_models import RequestLimits

# Nothing from elsewhere, and no inline script or style.
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


def openapi_blueprint(limits: RequestLimits, *, keyed: bool) -> Blueprint:
    """The description of a service with these limits, and the page to read it on."""
    blueprint = Blueprint("openapi", __name__)

    page = (_OURS / "reader.html").read_bytes()

    making = Lock()

    @cache
    def description() -> bytes:
        return orjson.dumps(describe(limits, keyed=keyed))

    @blueprint.get("/openapi.json")
    def get_description() -> Response:
        # Made once, however many ask for it at first.
        with making:
            data = description()
        return _revalidated(Response(data, mimetype="application/json"))

    @blueprint.get("/docs")
    def get_docs() -> Response:
        response = Response(page, mimetype="text/html")
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return _revalidated(response)

    @blueprint.get("/docs/<name>", endpoint="static")
    def get_asset(name: str) -> Response:
        if name not in _ASSETS:
            abort(404)
        return send_file(_ASSETS[name])

    return blueprint


def _revalidated(response: Response) -> Response:
    """May be kept if asked about each time, as files are: another release describes something else."""
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response
