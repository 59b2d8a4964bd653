"""The one place where the parts are joined. `python app.py` serves (see recommender/cli/serve.py)."""

import re
import sys
import threading
from collections.abc import Iterable
from typing import Protocol

from flask import Flask
from flask_cors import CORS

from config.settings import UUID_PATTERN, Settings, load_settings
from recommender.api.access import AccessLog
from recommender.api.health import health_blueprint, ready_blueprint
from recommender.api.metrics import Metrics, metrics_blueprint
from recommender.api.parsing import RequestLimits
from recommender.api.problems import register_error_handlers
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
        databases: Iterable[Database],
        threads: Iterable[Background],
        service: RecommendationService,
        status: StatusReader,
        metrics: Metrics,
    ) -> None:
        self.service = service
        self.status = status
        self.metrics = metrics
        self._databases = tuple(databases)
        self._threads = tuple(threads)
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
                for thread in self._threads:
                    thread.open()
                self._opened = True

    def close(self) -> None:
        """Stop the background threads, then close every connection."""
        for thread in self._threads:
            thread.close()
        for database in self._databases:
            database.close()


def create_app(settings: Settings | None = None) -> Flask:
    """Join the parts; nothing connects until `Marquee.open`, or the first request if nobody called it.

    Raises:
        SettingsError: the environment does not make a valid configuration, or names no databases.
        ConfigurationError: a database URL or an SQL file is unusable.
    """
    settings = load_settings() if settings is None else settings
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
    for blueprint in (
        recommendations_blueprint(marquee.service, limits),
        ready_blueprint(marquee.status),
        metrics_blueprint(marquee.metrics),
    ):
        blueprint.before_request(marquee.open)
        app.register_blueprint(blueprint)
    register_error_handlers(app)
    if settings.cors_origins:
        CORS(app, origins=list(settings.cors_origins))
    app.wsgi_app = AccessLog(app.wsgi_app, marquee.metrics)  # type: ignore[method-assign]  # Flask's own way
    return app


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
    )
    return Marquee(
        databases=(*serving.values(), *background.values()),
        threads=(catalogue, models, checker, metrics),
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
    )
    queries = load_queries(name, settings.sql_path)
    return Database(name, settings.database_url(name), queries, options)


if __name__ == "__main__":
    from recommender.cli.main import main

    sys.exit(main(["serve", *sys.argv[1:]]))
