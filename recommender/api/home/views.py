"""The start page: what the service is, with links to its other pages."""

import base64
import hashlib
from pathlib import Path

from flask import Blueprint, Response, render_template

from recommender import __version__
from recommender.api.endpoints import public

_STYLE = (Path(__file__).parent / "home.css").read_text()


def home_blueprint(*, explorer: bool) -> Blueprint:
    """Return the blueprint of the page. `explorer`: whether to link the explorer."""
    blueprint = Blueprint("home", __name__, template_folder="templates")
    # The style is inline and allowed by its hash, so the page needs no other file.
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"

    @blueprint.get("/")
    @public
    def get_home() -> Response:
        html = render_template("home/home.html", explorer=explorer, style=_STYLE, version=__version__)
        return Response(html, headers={"Content-Security-Policy": policy})

    return blueprint
