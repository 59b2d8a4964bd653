"""Routes of the explorer: a page without data, and the fragments that fill it.

All addresses in them are relative to that of the page, so that a proxy may serve it below any path.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from operator import itemgetter
from pathlib import Path
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from recommender.api.endpoints import public
from recommender.api.errors import BadRequestError, ErrorCode
from recommender.api.explorer import template_filters
from recommender.api.explorer.assets import Assets
from recommender.api.explorer.fragment_errors import register_fragment_errors
from recommender.api.explorer.panels import PanelReader, RankingPanel
from recommender.api.explorer.training import TrainingPage
from recommender.api.explorer.tuning import SLIDERS, Tuning, TuningQuery, tuning_query
from recommender.api.id_paths import id_rule
from recommender.api.parsing import parse_id, parse_query
from recommender.api.request_models import RequestLimits
from recommender.api.responses import moved_to
from recommender.domains.base import Domain
from recommender.entities import DatabaseName
from recommender.evaluation.report import STYLE_SHEET
from recommender.placeholders.drawing import placeholder_svg
from recommender.serving.status import StatusReader
from recommender.texts.labels import LACKS, STRATEGIES

_HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https: http:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_COVER_POLICY = "default-src 'none'; frame-ancestors 'none'"
_A_WEEK = "public, max-age=604800"
_YEAR = re.compile(r"[0-9]{1,4}")
_TITLE_CHARACTERS, _GENRE_CHARACTERS, _QUERY_CHARACTERS = 200, 60, 64
# The tabs besides recommendations.
_TABS = frozenset({"evaluation", "models", "health"})

PoolStats = Callable[[], Mapping[str, int]]


@dataclass(frozen=True)
class ExplorerParts:
    """What the pages read from.

    `pools`: statistics by database and by use of the pool. `last_report`: the last comparison of models as
    HTML, None if there is none. `training`: models and runs. `read_defaults`: the values served now.
    """

    panels: PanelReader
    status: StatusReader
    pools: Mapping[tuple[DatabaseName, str], PoolStats]
    last_report: Callable[[], str | None]
    training: Callable[[], TrainingPage]
    limits: RequestLimits
    read_defaults: Callable[[], Tuning]

    @cached_property
    def query(self) -> type[TuningQuery]:
        """Return the model of the query parameters."""
        return tuning_query(self.limits.settings.max_limit, self.limits.domain)

    def read_tuning(self, arguments: MultiDict[str, str]) -> TuningQuery:
        """Parse sliders and filters. An empty filter counts as not given.

        Raises:
            BadRequestError: a parameter is invalid.
        """
        filters = self.limits.domain.filter_parameters
        given = [(name, text) for name, text in arguments.items(multi=True) if text or name not in filters]
        return parse_query(MultiDict(given), self.query)

    def read_without_filters(self, arguments: MultiDict[str, str], defaults: Tuning) -> Tuning:
        """Return what the sliders say, or else `defaults`, with the texts of filters that do not apply."""
        filters = self.limits.domain.filter_parameters
        given = list(arguments.items(multi=True))
        try:
            sliders = self.read_tuning(MultiDict([each for each in given if each[0] not in filters]))
            tuning = sliders.tuning(defaults)
        except BadRequestError:
            tuning = defaults
        texts = sorted((each for each in given if each[0] in filters and each[1]), key=itemgetter(0))
        return replace(tuning, filter_texts=tuple(texts))


def explorer_blueprints(parts: ExplorerParts) -> tuple[Blueprint, Blueprint]:
    """Return two blueprints: the page with its files, which needs no data, and the fragments."""
    assets = Assets(_HERE / "static", STYLE_SHEET)
    domain = parts.limits.domain
    shell = _shell_blueprint(assets, domain)
    fragments = _fragments_blueprint(parts)
    for blueprint in (shell, fragments):
        blueprint.after_request(_with_policy)
    fragments.after_request(_marked)
    for name, function in template_filters.filters_by_name(domain).items():
        shell.add_app_template_filter(function, name)
    shell.add_app_template_global(lambda name: f"explorer/static/{name}?v={assets.version(name)}", "asset")
    shell.app_context_processor(lambda: {"strategies": STRATEGIES, "lacks": LACKS, "domain": domain})
    return shell, fragments


def _with_policy(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    return response


def _marked(response: Response) -> Response:
    """Mark a response as a fragment, so that the page can tell it from that of a proxy in between."""
    response.headers["X-Explorer-Fragment"] = "yes"
    return response


def _shell_blueprint(assets: Assets, domain: Domain) -> Blueprint:
    blueprint = Blueprint("explorer", __name__, url_prefix="/explorer", template_folder="templates")

    @blueprint.get("")
    @public
    def get_page() -> str:
        user_id, tab = request.args.get("user", ""), request.args.get("tab")
        names = (*SLIDERS, *domain.filter_parameters)
        given = [(name, text) for name in names for text in request.args.getlist(name) if text]
        return render_template(
            "explorer/page.html",
            user_id=user_id,
            tab=tab if tab in _TABS else None,
            tuning_query=urlencode(given),
        )

    @blueprint.get("/")
    @public
    def redirect_to_page() -> BaseResponse:
        return moved_to("../explorer")

    @blueprint.get("/static/<path:name>")
    @public
    def get_asset(name: str) -> Response:
        return assets.answer(name, request.args.get("v"))

    @blueprint.get("/covers/<media_id>.svg")
    @public
    def get_cover(media_id: str) -> Response:
        year = request.args.get("year", "")
        svg = placeholder_svg(
            media_id,
            request.args.get("title", "")[:_TITLE_CHARACTERS],
            request.args.get("genre", "")[:_GENRE_CHARACTERS],
            int(year) if _YEAR.fullmatch(year) else None,
        )
        headers = {"Cache-Control": _A_WEEK, "Content-Security-Policy": _COVER_POLICY}
        return Response(svg, mimetype="image/svg+xml", headers=headers)

    return blueprint


def _fragments_blueprint(parts: ExplorerParts) -> Blueprint:
    blueprint = Blueprint("explorer_fragments", __name__, url_prefix="/explorer")
    register_fragment_errors(blueprint)
    forms = {"user_id": parts.limits.user_id_form, "media_id": parts.limits.item_id_form}

    @blueprint.get("/users")
    def get_users() -> str:
        query = request.args.get("q", "").strip()[:_QUERY_CHARACTERS]
        found = parts.panels.search(query)
        return render_template("explorer/users.html", found=found, query=query)

    @blueprint.get("/surprise")
    def get_surprise() -> Response:
        user_id = parts.panels.random_user_id()
        if user_id is None:
            return make_response(render_template("explorer/no_users.html"))
        return _user_panel(parts, user_id)

    @blueprint.get(id_rule(blueprint, "/users/<user_id>", **forms))
    def get_user(user_id: str) -> Response:
        return _user_panel(parts, _user_id(parts, user_id))

    @blueprint.get(id_rule(blueprint, "/users/<user_id>/recommendations", **forms))
    def get_recommendations(user_id: str) -> Response:
        canonical_id = _user_id(parts, user_id)
        query = parts.read_tuning(request.args)
        defaults = parts.read_defaults()
        tuning = query.tuning(defaults)
        ranking = parts.panels.ranking(canonical_id, tuning, defaults, query.baseline)
        shown = _shown(ranking, defaults)
        html = render_template("explorer/ranking_answer.html", user_id=canonical_id, **shown)
        return _addressed(html, "Replace", _address(canonical_id, tuning, defaults))

    @blueprint.get(id_rule(blueprint, "/media/<media_id>/similar", **forms))
    def get_similar(media_id: str) -> str:
        # An id of another form is kept as it is; the catalog does not have it.
        canonical_id = parts.limits.item_id_form.canonical(media_id) or media_id
        return render_template("explorer/similar.html", similar=parts.panels.similar(canonical_id))

    _add_tabs(blueprint, parts)
    return blueprint


def _add_tabs(blueprint: Blueprint, parts: ExplorerParts) -> None:
    @blueprint.get("/health")
    def get_health() -> str:
        pools = {key: read() for key, read in parts.pools.items()}
        status = parts.status.read()
        defaults = parts.read_defaults()
        return render_template("explorer/health.html", status=status, pools=pools, defaults=defaults)

    @blueprint.get("/evaluation")
    def get_evaluation() -> str:
        return render_template("explorer/evaluation.html", report=parts.last_report())

    @blueprint.get("/models")
    def get_models() -> str:
        model = parts.status.read().model
        return render_template("explorer/models.html", training=parts.training(), model=model)


def _user_id(parts: ExplorerParts, text: str) -> str:
    return parse_id(text, parts.limits.user_id_form, "user_id", ErrorCode.INVALID_USER_ID)


def _user_panel(parts: ExplorerParts, user_id: str) -> Response:
    defaults = parts.read_defaults()
    problem = None
    try:
        tuning = parts.read_tuning(request.args).tuning(defaults)
    except BadRequestError as exc:
        # The form, with what was given, is where it can be corrected.
        problem = f"{exc}. The filters are not applied."
        tuning = parts.read_without_filters(request.args, defaults)
    profile, ranking = parts.panels.user(user_id, tuning, defaults)
    shown = _shown(ranking, defaults)
    html = render_template("explorer/panel.html", user_id=user_id, profile=profile, problem=problem, **shown)
    address = _address(user_id, tuning, defaults)
    # The address that the page was opened with is already in the browser's history.
    known = request.headers.get("HX-Current-URL", "").endswith(address)
    response = _addressed(html, "Replace" if known else "Push", address)
    response.status_code = HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK
    return response


def _shown(ranking: RankingPanel, defaults: Tuning) -> dict[str, object]:
    return {
        "ranking": ranking,
        "tuning": ranking.tuning,
        "defaults": defaults,
        "steps": ranking.tuning.window_steps(defaults),
        "given": ranking.tuning.texts_by_filter,
    }


def _address(user_id: str, tuning: Tuning, defaults: Tuning) -> str:
    """Return the page's address for this user and these values."""
    return f"explorer?{urlencode([('user', user_id), *tuning.arguments(defaults)])}"


def _addressed(html: str, verb: str, address: str) -> Response:
    response = make_response(html)
    response.headers[f"HX-{verb}-Url"] = address
    return response
