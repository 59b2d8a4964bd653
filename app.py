"""The one place where the parts are joined. `python app.py` serves (see recommender/cli/serve.py)."""

import re
import sys
import threading
from collections.abc import Iterable
from typing import Protocol

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from config.settings import UUID_PATTERN, Settings, load_settings
from recommender.api.access import AccessLog
from recommender.api.headers import register_cors, register_security_headers
from recommender.api.health import health_blueprint, ready_blueprint
from recommender.api.keys import Doorkeeper
from recommender.api.metrics import Metrics, metrics_blueprint
from recommender.api.overload import Gate
from recommender.api.parsing import RequestLimits
from recommender.api.problems import register_error_handlers
from recommender.api.rate_limits import register_rate_limit
from recommender.api.recommendations import recommendations_blueprint
from recommender.catalogue_refresh import CatalogueRefresher
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.database import Database, PoolOptions
from recommender.databases.engagement_db import EngagementDatabase, NeighbourCaps
from recommender.databases.queries import load_queries
from recommender.databases.user_db import UserDatabase
from recommender.domain import DatabaseName, Weights
from recommender.media_cache import MediaCache
from recommender.models.live import LiveModel
from recommender.models.watcher import ModelWatcher
from recommender.service import RecommendationService
from recommender.status import DatabaseChecker, StatusReader


class Background(Protocol):
    """A part with threads."""

    def open(self) -> None:
        """Start them."""
        ...

    def close(self) -> None:
        """Stop them."""
        ...


class Marquee:
    """What has to be opened after a fork and closed at the end; `app.extensions["marquee"]`."""

    def __init__(
        self,
        *,
        databases: Iterable[Database],
        catalogue: CatalogueRefresher,
        others: Iterable[Background],
        service: RecommendationService,
        status: StatusReader,
        metrics: Metrics,
    ) -> None:
        self.service = service
        self.status = status
        self.metrics = metrics
        self._databases = tuple(databases)
        self._catalogue = catalogue
        self._others = tuple(others)
        self._lock = threading.Lock()
        self._opened = False

    def open(self) -> None:
        """Start the pools, and load catalogue index and model in the background; safe to call again."""
        if self._opened:
            return
        with self._lock:
            if not self._opened:
                for database in self._databases:
                    database.open()
                self._catalogue.open()
                for other in self._others:
                    other.open()
                self._opened = True

    def wait_until_loaded(self, timeout_s: float) -> None:
        """Wait for the first load of the catalogue index, which then is complete, or for so long."""
        self._catalogue.wait_for_first_load(timeout_s)

    def close(self) -> None:
        """Stop the background threads, then close every connection."""
        self._catalogue.close()
        for other in self._others:
            other.close()
        for database in self._databases:
            database.close()


def create_app(settings: Settings | None = None) -> Flask:
    """Join the parts; nothing connects until `Marquee.open`, or the first request if nobody called it.

    Raises:
        SettingsError: the environment does not make a valid configuration, names no databases, or would
            serve strangers.
        ConfigurationError: a database URL or an SQL file is unusable.
    """
    settings = load_settings() if settings is None else settings
    settings.refuse_to_serve_strangers()
    marquee = _build_marquee(settings)
    limits = RequestLimits(
        max_limit=settings.max_limit,
        max_batch_users=settings.max_batch_users,
        max_stream_users=settings.max_stream_users,
        id_pattern=re.compile(settings.id_pattern),
        id_form="a UUID" if settings.id_pattern == UUID_PATTERN else f"of the form {settings.id_pattern}",
    )
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.extensions["marquee"] = marquee
    app.register_blueprint(health_blueprint)
    gate = Gate(settings.threads, settings.max_waiting, patience_s=settings.time_budget_ms / 2000)
    for blueprint in (
        recommendations_blueprint(marquee.service, limits, gate),
        ready_blueprint(marquee.status),
        metrics_blueprint(marquee.metrics),
    ):
        blueprint.before_request(marquee.open)
        app.register_blueprint(blueprint)
    register_error_handlers(app)
    _guard(app, settings)
    # Outermost, so that what the others answer is logged and counted too.
    app.wsgi_app = AccessLog(app.wsgi_app, marquee.metrics)  # type: ignore[method-assign]  # Flask's own way
    return app


def _guard(app: Flask, settings: Settings) -> None:
    """Keep out who may not ask, slow down who asks too often, and tell browsers what they may do."""
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


def _build_marquee(settings: Settings) -> Marquee:
    serving = {name: _database(name, settings, background=False) for name in DatabaseName}
    background = {
        name: _database(name, settings, background=True)
        for name in (DatabaseName.CATALOG, DatabaseName.ENGAGEMENT)
    }
    catalogue = CatalogueRefresher(
        CatalogDatabase(background[DatabaseName.CATALOG]),
        EngagementDatabase(background[DatabaseName.ENGAGEMENT]),
        window_days=settings.interaction_window_days,
        refresh_seconds=settings.catalogue_refresh_seconds,
    )
    engagement_db = EngagementDatabase(serving[DatabaseName.ENGAGEMENT])
    caps = NeighbourCaps(
        history_items=settings.history_items,
        users_per_item=settings.users_per_item,
        shortlist=settings.shortlist,
        similar_users=settings.similar_users,
        items_per_user=settings.items_per_user,
    )
    models = ModelWatcher(
        LiveModel(engagement_db, caps, settings.exact_up_to_pairs),
        settings.model_path,
        similar_users=settings.similar_users,
    )
    media_cache = MediaCache(settings.media_cache_size)
    status = StatusReader(serving, catalogue, models, media_cache)
    pools = {(name, "requests"): database.pool_stats for name, database in serving.items()} | {
        (name, "catalogue"): database.pool_stats for name, database in background.items()
    }
    metrics = Metrics(status.read, pools)
    checker = DatabaseChecker(list(serving.values()))
    service = RecommendationService(
        user_db=UserDatabase(serving[DatabaseName.USER]),
        catalog_db=CatalogDatabase(serving[DatabaseName.CATALOG]),
        engagement_db=engagement_db,
        models=models,
        catalogue=catalogue,
        media_cache=media_cache,
        weights=Weights(settings.content_weight, settings.collaborative_weight),
        window_days=settings.interaction_window_days,
        time_budget_s=settings.time_budget_ms / 1000,
    )
    return Marquee(
        databases=(*serving.values(), *background.values()),
        catalogue=catalogue,
        others=(models, checker, metrics),
        service=service,
        status=status,
        metrics=metrics,
    )


def _database(name: DatabaseName, settings: Settings, *, background: bool) -> Database:
    """A pool for requests, or one of a single patient connection for the catalogue index."""
    options = PoolOptions(
        size=1 if background else settings.pool_size,
        pool_timeout_ms=settings.pool_timeout_ms,
        statement_timeout_ms=(settings.catalogue_timeout_ms if background else settings.statement_timeout_ms),
        prepared_statements=settings.prepared_statements,
        breaker=not background,
    )
    queries = load_queries(name, settings.sql_path)
    return Database(name, settings.database_url(name), queries, options)


if __name__ == "__main__":
    from recommender.cli.main import main

    sys.exit(main(["serve", *sys.argv[1:]]))
