"""The app. `python app.py` serves (see recommender/cli/serve.py)."""

import sys

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from config.settings import Settings, load_settings
from recommender.api.access_log import AccessLog
from recommender.api.concurrency import Lane, Lanes, StreamEnd
from recommender.api.doorkeeper import Doorkeeper
from recommender.api.explorer.panels import PanelReader
from recommender.api.explorer.tuning import Tuning
from recommender.api.explorer.views import ExplorerParts, explorer_blueprints
from recommender.api.headers import refuse_other_hosts, register_cors, register_security_headers
from recommender.api.health import health_blueprint, ready_blueprint
from recommender.api.home.views import home_blueprint
from recommender.api.media import media_blueprint
from recommender.api.metrics import Metrics, metrics_blueprint
from recommender.api.openapi.pages import openapi_blueprint
from recommender.api.problems import register_error_handlers
from recommender.api.rate_limits import register_rate_limit
from recommender.api.recommendations import recommendations_blueprint
from recommender.api.request_models import RequestLimits
from recommender.composition import Marquee, join_parts
from recommender.domain import Weights
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA

_EXPLORER_LIMIT = 12
# How long a list of users waits for others to be worked on, which take seconds.
_LIST_PATIENCE_S = 30.0
# How long streams go on in a process that is to stop; well within Gunicorn's graceful_timeout.
_STOPPING_S = 5.0


def create_app(settings: Settings | None = None, domain: Domain = MEDIA) -> Flask:
    """Join the parts and put HTTP in front; nothing connects until `Marquee.open`, or the first request.

    Raises:
        SettingsError: the environment does not make a valid configuration, names no databases, or would
            serve strangers.
        ConfigurationError: a database URL, an SQL file or the file of attributes is unusable.
    """
    settings = load_settings() if settings is None else settings
    settings.refuse_to_serve_strangers()
    marquee = join_parts(settings, domain)
    metrics = Metrics(
        marquee.status.read, {key: database.pool_stats for key, database in marquee.databases.items()}
    )
    marquee.add(metrics)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.extensions["marquee"] = marquee
    app.extensions["metrics"] = metrics
    app.register_blueprint(health_blueprint)
    app.register_blueprint(home_blueprint(explorer=settings.explorer))
    lanes = _lanes(settings)
    app.extensions["lanes"] = lanes
    limits = _limits(settings, marquee.domain)
    app.register_blueprint(openapi_blueprint(limits, keyed=bool(settings.api_keys)))
    for blueprint in (
        recommendations_blueprint(marquee.service, limits, lanes),
        media_blueprint(marquee.media, limits, lanes.pages),
        ready_blueprint(marquee.status, lanes),
        metrics_blueprint(metrics),
    ):
        blueprint.before_request(marquee.open)
        app.register_blueprint(blueprint)
    if settings.explorer:
        shell, fragments = explorer_blueprints(_explorer_parts(settings, marquee, limits, lanes.pages))
        fragments.before_request(marquee.open)
        app.register_blueprint(shell)
        app.register_blueprint(fragments)
    register_error_handlers(app)
    _guard(app, settings)
    # Outermost, so that what the others answer is logged and counted too.
    app.wsgi_app = AccessLog(app.wsgi_app, metrics)  # type: ignore[method-assign]  # Flask's own way
    return app


def _lanes(settings: Settings) -> Lanes:
    return Lanes(
        pages=Lane(
            settings.threads,
            settings.threads + settings.max_waiting,
            patience_s=settings.time_budget_ms / 2000,
        ),
        batches=Lane(settings.lists_at_once, settings.max_batches, _LIST_PATIENCE_S),
        streams=Lane(settings.lists_at_once, settings.max_streams, _LIST_PATIENCE_S),
        bodies=Lane(settings.max_bodies, settings.max_bodies, patience_s=0),
        stream_end=StreamEnd(settings.max_stream_seconds, _STOPPING_S),
    )


def _limits(settings: Settings, domain: Domain) -> RequestLimits:
    return RequestLimits(
        max_limit=settings.max_limit,
        max_batch_users=settings.max_batch_users,
        max_stream_users=settings.max_stream_users,
        max_batch_recommendations=settings.max_batch_recommendations,
        user_id_form=settings.user_id_form,
        media_id_form=settings.media_id_form,
        domain=domain,
    )


def _explorer_parts(settings: Settings, marquee: Marquee, limits: RequestLimits, lane: Lane) -> ExplorerParts:
    defaults = Tuning(
        weights=Weights(settings.content_weight, settings.collaborative_weight),
        window_days=settings.interaction_window_days,
        limit=min(_EXPLORER_LIMIT, settings.max_limit),
    )
    return ExplorerParts(
        panels=PanelReader(
            service=marquee.service,
            media=marquee.media,
            profiles=marquee.profiles,
            lane=lane,
            defaults=defaults,
        ),
        status=marquee.status,
        pools={key: database.pool_stats for key, database in marquee.databases.items()},
        limits=limits,
        defaults=defaults,
    )


def _guard(app: Flask, settings: Settings) -> None:
    """Keep out who may not ask, slow down who asks too often, and tell browsers what they may do."""
    if settings.serves_this_host_only:
        refuse_other_hosts(app, {"localhost", "127.0.0.1", "::1", settings.host})
    doorkeeper = Doorkeeper(settings.api_keys)
    app.before_request(doorkeeper.identify)
    if settings.rate_limit:
        # Between the two: a known key has a limit of its own, and trying out keys counts for the address.
        register_rate_limit(app, settings.rate_limit, settings.rate_limit_storage)
    app.before_request(doorkeeper.admit)
    register_security_headers(app)
    if settings.cors_origins:
        register_cors(app, settings.cors_origins)
    if settings.trusted_proxies:
        # Of what they add only the address is used. `wsgi_app` is there to be wrapped.
        proxied = ProxyFix(
            app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0, x_host=0, x_port=0, x_prefix=0
        )
        app.wsgi_app = proxied  # type: ignore[method-assign]


if __name__ == "__main__":
    from recommender.cli.main import main

    sys.exit(main(["serve", *sys.argv[1:]]))
