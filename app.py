"""The app. `python app.py` serves (see recommender/cli/serve.py)."""

import sys
from functools import partial

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from config.http_settings import HttpSettings
from config.request_settings import RequestSettings
from config.setting_types import PROGRAM
from config.settings import Settings, load_settings
from recommender.api.access_log import AccessLog
from recommender.api.auth import KeyAuth
from recommender.api.concurrency import ConcurrencyLimiter, ConcurrencyLimits, StreamEnd
from recommender.api.errors import register_error_handlers
from recommender.api.explorer.panels import PanelReader
from recommender.api.explorer.training import read_training
from recommender.api.explorer.tuning import Tuning
from recommender.api.explorer.views import ExplorerParts, explorer_blueprints
from recommender.api.headers import SecurityHeaders, refuse_other_hosts, register_cors
from recommender.api.health.routes import health_blueprint, ready_blueprint
from recommender.api.home.views import home_blueprint
from recommender.api.id_paths import shown_rule
from recommender.api.items.routes import items_blueprint
from recommender.api.metrics import Metrics, metrics_blueprint
from recommender.api.models.routes import models_blueprint
from recommender.api.openapi.pages import openapi_blueprint
from recommender.api.rate_limits import register_rate_limit
from recommender.api.recommendations.routes import recommendations_blueprint
from recommender.api.request_models import RequestLimits
from recommender.container import Container, build_container
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.evaluation.last_result import last_report
from recommender.observability.log_filters import LOG_FILTERS
from recommender.trainer.state import TrainingReader

_EXPLORER_LIMIT = 12
# How long a batch or stream waits for its turn: those before it take seconds each.
_BATCH_PATIENCE_S = 30.0
# How long open streams may continue in a stopping process; well within Gunicorn's graceful_timeout.
_STOPPING_S = 5.0


def create_app(settings: Settings | None = None, domain: Domain = MEDIA) -> Flask:
    """Build the container and its Flask app; nothing connects before `Container.open` or the first request.

    Raises:
        SettingsError: the configuration is invalid, names no databases, or allows public access
            without API_KEYS or ALLOW_ANONYMOUS.
        ConfigurationError: MODEL, a database URL, an SQL file, or the file of attributes or experiments is
            unusable.
    """
    settings = load_settings() if settings is None else settings
    settings.require_api_keys()
    container = build_container(settings, domain)
    training = TrainingReader(settings.models.model_path, trains=settings.trains)
    metrics = Metrics(
        container.status.read,
        training.read,
        {key: database.pool_stats for key, database in container.databases.items()},
    )
    container.add(metrics)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.jinja_env.globals["program"] = PROGRAM
    app.extensions["container"] = container
    app.extensions["metrics"] = metrics
    app.extensions["training"] = training
    app.extensions["log_filters"] = LOG_FILTERS
    limiters = _concurrency_limits(settings.http, settings.requests)
    app.extensions["limiters"] = limiters
    limits = RequestLimits(settings.requests, container.domain)
    recommendations = recommendations_blueprint(container.service, limits, limiters)
    items = items_blueprint(container.items, limits, limiters.pages)
    ready = ready_blueprint(container.status, limiters)
    scraped = metrics_blueprint(metrics)
    models = models_blueprint(settings.models.model_path, container.status)
    for blueprint in (recommendations, items, ready, scraped, models):
        blueprint.before_request(container.open)
    openapi = openapi_blueprint(container.domain, keyed=bool(settings.access.api_keys))
    # The order of registration is the order in the OpenAPI document.
    for blueprint in (recommendations, items, health_blueprint, ready, scraped, models, openapi):
        app.register_blueprint(blueprint)
    app.register_blueprint(home_blueprint(explorer=settings.http.explorer))
    if settings.http.explorer:
        shell, fragments = explorer_blueprints(_explorer_parts(settings, container, limits, limiters.pages))
        fragments.before_request(container.open)
        app.register_blueprint(shell)
        app.register_blueprint(fragments)
    register_error_handlers(app)
    _guard(app, settings)
    _expect_errors(app, metrics)
    # Outermost, so that answers of the other hooks are logged and counted too.
    app.wsgi_app = AccessLog(app.wsgi_app, metrics)  # type: ignore[method-assign]  # Flask's own way
    return app


def _expect_errors(app: Flask, metrics: Metrics) -> None:
    """Open the series of the API's errors, under the names that requests are counted by."""
    rules = {shown_rule(rule.rule) for rule in app.url_map.iter_rules()}
    metrics.expect_errors_of(rule for rule in rules if rule.startswith("/api/"))


def _concurrency_limits(http: HttpSettings, requests: RequestSettings) -> ConcurrencyLimits:
    return ConcurrencyLimits(
        pages=ConcurrencyLimiter(
            http.threads, http.threads + http.max_waiting, patience_s=requests.time_budget_s / 2
        ),
        batches=ConcurrencyLimiter(http.batch_slots, http.max_batches, _BATCH_PATIENCE_S),
        streams=ConcurrencyLimiter(http.batch_slots, http.max_streams, _BATCH_PATIENCE_S),
        bodies=ConcurrencyLimiter(http.max_bodies, http.max_bodies, patience_s=0),
        stream_end=StreamEnd(http.max_stream_seconds, _STOPPING_S),
    )


def _explorer_parts(
    settings: Settings, container: Container, limits: RequestLimits, limiter: ConcurrencyLimiter
) -> ExplorerParts:
    def read_defaults() -> Tuning:
        return Tuning(
            weights=container.served_blend().weights,
            window_days=settings.ranking.interaction_window_days,
            limit=min(_EXPLORER_LIMIT, settings.requests.max_limit),
        )

    return ExplorerParts(
        panels=PanelReader(
            service=container.service,
            items=container.items,
            profiles=container.profiles,
            limiter=limiter,
        ),
        status=container.status,
        pools={key: database.pool_stats for key, database in container.databases.items()},
        last_report=partial(last_report, settings.models.model_path),
        training=partial(read_training, settings.models.model_path),
        limits=limits,
        read_defaults=read_defaults,
    )


def _guard(app: Flask, settings: Settings) -> None:
    """Register the checks of host names, API keys and rate limits, and the security and CORS headers."""
    access = settings.access
    if access.allowed_hosts:
        # Containers, load balancers and Prometheus ask the service by its address. A page in a browser that
        # reaches it by another name has no key for the metrics.
        monitored = ("/health", "/ready", "/metrics") if access.api_keys else ("/health", "/ready")
        refuse_other_hosts(app, access.allowed_hosts, except_for=monitored)
    elif settings.serves_this_host_only:
        refuse_other_hosts(app, ("localhost", "127.0.0.1", "::1", settings.http.host))
    if access.api_keys or access.rate_limit:
        auth = KeyAuth(access.api_keys)
        app.before_request(auth.authenticate)
        if access.rate_limit:
            # Between the two: a known key has a limit of its own, and guesses at keys count for the address.
            register_rate_limit(app, access.rate_limit, access.rate_limit_storage)
        app.before_request(auth.authorize)
    app.wsgi_app = SecurityHeaders(app.wsgi_app)  # type: ignore[method-assign]  # Flask's own way
    if access.cors_origins:
        register_cors(app, access.cors_origins)
    if access.trusted_proxies:
        # Of what they add only the address and the path prefix are used. `wsgi_app` is there to be wrapped.
        proxied = ProxyFix(
            app.wsgi_app, x_for=access.trusted_proxies, x_proto=0, x_host=0, x_port=0, x_prefix=1
        )
        app.wsgi_app = proxied  # type: ignore[method-assign]


if __name__ == "__main__":
    from recommender.cli.main import main

    sys.exit(main(["serve", *sys.argv[1:]]))
