"""Joins the parts, without HTTP: what the app and the commands that recommend have in common."""

import threading
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from config.settings import Settings
from recommender.background import Background
from recommender.catalogue.gate import CatalogueGate
from recommender.catalogue.media_cache import MediaCache
from recommender.catalogue.refresh import CatalogueRefresher
from recommender.catalogue.snapshots import SnapshotFolder
from recommender.catalogue.window_popularity import WindowPopularity
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.connections import ConnectionOptions, PoolOptions, SettingsBy
from recommender.databases.database import BACKGROUND_CONNECTIONS, Database
from recommender.databases.engagement_db import EngagementDatabase, NeighbourCaps
from recommender.databases.queries import load_queries
from recommender.databases.user_db import UserDatabase
from recommender.domain import DatabaseName, Weights
from recommender.domains.base import Domain
from recommender.domains.declaration import with_own_attributes
from recommender.domains.media import MEDIA
from recommender.models.live import LiveModel
from recommender.models.watcher import ModelWatcher
from recommender.serving.media import MediaService
from recommender.serving.page_filling import PageFiller
from recommender.serving.profiles import ProfileReader
from recommender.serving.recommendations import RecommendationService
from recommender.serving.status import DatabaseChecker, StatusReader


class Marquee:
    """The joined parts, which have to be opened, after a fork if there is one, and closed at the end.

    `domain`: what is recommended. `databases`: by name, and by what the pool is for, `requests` or
    `catalogue`. `catalogue_source`: names what the catalogue index is made from and by; processes with the
    same one may share it.
    """

    def __init__(
        self,
        *,
        domain: Domain,
        databases: Mapping[tuple[DatabaseName, str], Database],
        catalogue: CatalogueRefresher,
        catalogue_source: str,
        models: ModelWatcher,
        others: Iterable[Background],
        service: RecommendationService,
        media: MediaService,
        profiles: ProfileReader,
        status: StatusReader,
    ) -> None:
        self.domain = domain
        self.databases = databases
        self.service = service
        self.media = media
        self.profiles = profiles
        self.status = status
        self._catalogue = catalogue
        self._catalogue_source = catalogue_source
        self._models = models
        self._others = [models, *others]
        self._lock = threading.Lock()
        self._opened = False

    def add(self, part: Background) -> None:
        """Have one more part opened and closed with the others."""
        self._others.append(part)

    def share_catalogue(self, folder: Path) -> None:
        """Load the catalogue together with the other processes that use a folder; before `open`."""
        self._catalogue.share(SnapshotFolder(folder / self._catalogue_source))

    def open(self) -> None:
        """Start the pools, and load catalogue index and model in the background; safe to call again."""
        if self._opened:
            return
        with self._lock:
            if not self._opened:
                for database in self.databases.values():
                    database.open()
                self._catalogue.open()
                for other in self._others:
                    other.open()
                self._opened = True

    def wait_until_loaded(self, timeout_s: float) -> None:
        """Wait for the first load of the catalogue index, which then is complete, or for so long."""
        self._catalogue.wait_for_first_load(timeout_s)

    def wait_for_model(self, timeout_s: float) -> None:
        """Wait until a published model has been loaded or refused, if there is one, or for so long."""
        self._models.wait_for_first_look(timeout_s)

    def close(self) -> None:
        """Stop the background threads, then close every connection."""
        self._catalogue.close()
        for other in self._others:
            other.close()
        for database in self.databases.values():
            database.close()


def join_parts(settings: Settings, domain: Domain = MEDIA) -> Marquee:
    """Join the parts; nothing connects until `Marquee.open`.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: a database URL, an SQL file or the file of attributes is unusable.
    """
    domain = with_own_attributes(domain, settings.attributes_path)
    serving = {name: _database(name, settings, domain, background=False) for name in DatabaseName}
    background = {name: _database(name, settings, domain, background=True) for name in BACKGROUND_CONNECTIONS}
    background_engagement_db = EngagementDatabase(
        background[DatabaseName.ENGAGEMENT], settings.interaction_types
    )
    catalogue = CatalogueRefresher(
        CatalogDatabase(background[DatabaseName.CATALOG], domain),
        background_engagement_db,
        CatalogueGate(settings.catalogue_max_loss, settings.catalogue_loss_seconds),
        window_days=settings.interaction_window_days,
        refresh_seconds=settings.catalogue_refresh_seconds,
        domain=domain,
    )
    engagement_db = EngagementDatabase(serving[DatabaseName.ENGAGEMENT], settings.interaction_types)
    models = ModelWatcher(
        LiveModel(engagement_db, _caps(settings), settings.exact_up_to_pairs),
        settings.model_path,
        similar_users=settings.similar_users,
        current_index=catalogue.latest,
    )
    media_cache = MediaCache(settings.media_cache_size, settings.media_cache_mb * 1_000_000)
    user_db = UserDatabase(serving[DatabaseName.USER])
    catalog_db = CatalogDatabase(serving[DatabaseName.CATALOG], domain)
    pages = PageFiller(catalog_db, catalogue, media_cache)
    service = RecommendationService(
        user_db=user_db,
        engagement_db=engagement_db,
        models=models,
        catalogue=catalogue,
        pages=pages,
        weights=Weights(settings.content_weight, settings.collaborative_weight),
        window_days=settings.interaction_window_days,
        time_budget_s=settings.time_budget_ms / 1000,
    )
    media = MediaService(
        models=models,
        catalogue=catalogue,
        pages=pages,
        window_popularity=WindowPopularity(background_engagement_db, settings.catalogue_refresh_seconds),
        window_days=settings.interaction_window_days,
        time_budget_s=settings.time_budget_ms / 1000,
    )
    return Marquee(
        domain=domain,
        databases={(name, "requests"): database for name, database in serving.items()}
        | {(name, "catalogue"): database for name, database in background.items()},
        catalogue=catalogue,
        catalogue_source=_catalogue_source(settings, domain),
        models=models,
        others=(DatabaseChecker(list(serving.values())),),
        service=service,
        media=media,
        profiles=ProfileReader(
            user_db=user_db,
            catalog_db=catalog_db,
            engagement_db=engagement_db,
            media_cache=media_cache,
            time_budget_s=settings.time_budget_ms / 1000,
        ),
        status=StatusReader(serving, catalogue, models, media_cache),
    )


def connection_options(settings: Settings) -> ConnectionOptions:
    """How every connection is made that reads a database."""
    return ConnectionOptions(settings.prepared_statements, SettingsBy(settings.session_settings_by))


def sql_path(settings: Settings, domain: Domain) -> Path | None:
    """The folder whose query files replace ours: the configured one, or the domain's."""
    return settings.sql_path or domain.sql_path


def _catalogue_source(settings: Settings, domain: Domain) -> str:
    """A hash of the databases, statements and settings that a catalogue index is made from and by."""
    made_by = (settings.interaction_window_days, settings.interaction_types, domain.filtered)
    digest = sha256(" ".join(map(str, made_by)).encode())
    for name in BACKGROUND_CONNECTIONS:
        digest.update(settings.database_url(name).encode())
        for query in load_queries(name, sql_path(settings, domain)).values():
            digest.update(query.statement)
    return digest.hexdigest()[:16]


def _caps(settings: Settings) -> NeighbourCaps:
    return NeighbourCaps(
        history_items=settings.history_items,
        users_per_item=settings.users_per_item,
        shortlist=settings.shortlist,
        similar_users=settings.similar_users,
        items_per_user=settings.items_per_user,
    )


def _database(name: DatabaseName, settings: Settings, domain: Domain, *, background: bool) -> Database:
    """A pool for requests, or a small and patient one for what is read whole."""
    options = PoolOptions(
        connection_options(settings),
        size=BACKGROUND_CONNECTIONS[name] if background else settings.pool_size,
        pool_timeout_ms=settings.pool_timeout_ms,
        statement_timeout_ms=(settings.catalogue_timeout_ms if background else settings.statement_timeout_ms),
        breaker=not background,
    )
    queries = load_queries(name, sql_path(settings, domain))
    return Database(name, settings.database_url(name), queries, options)
