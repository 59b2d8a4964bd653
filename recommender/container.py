"""Build, open and close the parts without HTTP, for the app and the commands that recommend."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from config.database_settings import DatabaseSettings
from config.settings import Settings
from recommender.catalog.index import CatalogIndex
from recommender.catalog.item_cache import ItemCache
from recommender.catalog.refresh import CatalogRefresher
from recommender.catalog.snapshots import SnapshotFolder
from recommender.catalog.window_popularity import WindowPopularity
from recommender.configured import (
    configured_blend,
    configured_experiments,
    pinned_hyperparameters,
    refuse_unknown_model,
)
from recommender.data.forgotten import ForgottenUsers
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.connection_counts import BACKGROUND_CONNECTIONS
from recommender.databases.connections import Purpose
from recommender.databases.database import Database
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.queries import load_queries, refuse_overlays_without
from recommender.databases.user_db import UserDatabase
from recommender.deadline import Deadline
from recommender.domains.base import Domain
from recommender.domains.declaration import with_own_attributes
from recommender.domains.media import MEDIA
from recommender.entities import DEFAULT_LIMIT, Blend, DatabaseName, Page
from recommender.errors import DatabaseUnavailableError, NothingToRecommendFromError
from recommender.experiments.definitions import Experiment, named_models
from recommender.experiments.selection import ExperimentModels
from recommender.experiments.tokens import TokenSigner
from recommender.model_store.watcher import ModelWatcher
from recommender.models.names import AUTO
from recommender.models.user_knn.live import UserKnnSql
from recommender.serving.chunks import ChunkReader
from recommender.serving.hydration import Hydrator
from recommender.serving.items import ItemService
from recommender.serving.profiles import ProfileReader
from recommender.serving.recommendations import RecommendationService
from recommender.serving.status import DatabaseChecker, StatusReader
from recommender.system.background import Background
from recommender.system.clock import Clock
from recommender.system.memory import FreedMemoryReturner

logger = logging.getLogger(__name__)

# The number of statements in a catalog refresh, and spare time for the work between them.
_REFRESH_STATEMENTS, _SPARE_S = 3, 10.0


class Container:
    """The parts. Open them after the fork, if there is one, and close them at the end.

    `domain`: of the items. `databases`: by name and by the pool's use, `requests` or `catalogue`.
    `catalog_source`: a hash of all that the catalog index depends on; processes with equal ones may share
    it.
    """

    def __init__(
        self,
        *,
        domain: Domain,
        databases: Mapping[tuple[DatabaseName, str], Database],
        catalog: CatalogRefresher,
        catalog_source: str,
        models: ModelWatcher,
        others: Iterable[Background],
        service: RecommendationService,
        items: ItemService,
        profiles: ProfileReader,
        status: StatusReader,
    ) -> None:
        self.domain = domain
        self.databases = databases
        self.service = service
        self.items = items
        self.profiles = profiles
        self.status = status
        self._catalog = catalog
        self._catalog_source = catalog_source
        self._models = models
        self._others = [models, *others]
        self._lock = threading.Lock()
        self._opened = False

    def add(self, part: Background) -> None:
        """Add a part to be opened and closed with the others."""
        self._others.append(part)

    def share_catalog(self, folder: Path) -> None:
        """Share catalog loads with the other processes that use a folder; call it before `open`."""
        self._catalog.share(SnapshotFolder(folder / self._catalog_source))

    def open(self) -> None:
        """Start the pools, and load catalog index and model in the background; safe to call twice."""
        if self._opened:
            return
        with self._lock:
            if not self._opened:
                for database in self.databases.values():
                    database.open()
                self._catalog.open()
                for other in self._others:
                    other.open()
                self._opened = True

    def wait_for_catalog(self, timeout_s: float) -> None:
        """Wait for the first complete load of the catalog index, at most for the timeout."""
        self._catalog.wait_for_first_load(timeout_s)

    def wait_for_model(self, timeout_s: float) -> None:
        """Wait until the published model is loaded or refused, at most for the timeout.

        The same goes for the models that experiments name.
        """
        ends_at = time.monotonic() + timeout_s
        for part in self._others:
            if isinstance(part, ModelWatcher):
                part.wait_for_first_look(max(0.0, ends_at - time.monotonic()))

    def warm_up(self, timeout_s: float) -> None:
        """Load the catalog index and the model, and answer once, at most for the timeout.

        The first answer opens connections and prepares statements, for which a caller would have to wait.
        """
        ends_at = time.monotonic() + timeout_s
        self.wait_for_catalog(timeout_s)
        self.wait_for_model(max(0.0, ends_at - time.monotonic()))
        if time.monotonic() >= ends_at or self.status.read().catalog is None:
            return
        try:
            user_id = self.profiles.random_user_id()
            if user_id is not None:
                list(self.service.recommend([user_id], Page(DEFAULT_LIMIT)))
        except (DatabaseUnavailableError, NothingToRecommendFromError):
            # Logged where it happened; requests are answered degraded.
            return
        except Exception:
            logger.exception("the first answer failed")

    def served_blend(self) -> Blend:
        """Return the blend in use: that of the model in use, or the configured one."""
        return self._models.selection().blend

    def catalog_index(self) -> CatalogIndex:
        """Return the catalog index in use.

        Raises:
            NothingToRecommendFromError: none could be loaded yet.
        """
        return self._catalog.current(Deadline.after(0.0))

    def close(self) -> None:
        """Stop the background threads, then close every connection."""
        self._catalog.close()
        for other in self._others:
            other.close()
        for database in self.databases.values():
            database.close()


@contextmanager
def loaded(container: Container, settings: DatabaseSettings) -> Iterator[Container]:
    """Open a container, yield it after loading catalog and model, and close it.

    Args:
        container: not opened yet.
        settings: of its databases; the data of one that fails is missing.
    """
    patience_s = _REFRESH_STATEMENTS * settings.catalog_timeout_ms / 1000 + _SPARE_S
    try:
        container.open()
        container.wait_for_catalog(patience_s)
        container.wait_for_model(patience_s)
        yield container
    finally:
        container.close()


class _ServingDatabases(NamedTuple):
    """The databases of requests."""

    user_db: UserDatabase
    catalog_db: CatalogDatabase
    engagement_db: EngagementDatabase


def build_container(settings: Settings, domain: Domain = MEDIA, as_of: datetime | None = None) -> Container:
    """Build the parts; nothing connects until `Container.open`.

    Args:
        settings: of the service.
        domain: of the items.
        as_of: a past moment to answer at, naive for UTC: interactions at or after it are not read. Items and
            stated preferences have no history, and are those of today.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: a database URL, an SQL file, the attributes file or the experiments file is
            unusable; there is no model of the configured name; or a statement under SQL_PATH does not take a
            past moment.
    """
    clock = Clock(as_of)
    domain = with_own_attributes(domain, settings.catalog.attributes_path)
    database_settings = _with_domain_sql(settings.databases, domain)
    if as_of is not None:
        refuse_overlays_without("known_until", DatabaseName.ENGAGEMENT, database_settings.sql_path)
    types = settings.interaction_types
    pools = {name: Database(name, database_settings, breaker=True) for name in DatabaseName}
    background_pools = _background_databases(database_settings)
    serving = _ServingDatabases(
        UserDatabase(pools[DatabaseName.USER]),
        CatalogDatabase(pools[DatabaseName.CATALOG], domain),
        EngagementDatabase(pools[DatabaseName.ENGAGEMENT], types, clock),
    )
    background_engagement_db = EngagementDatabase(background_pools[DatabaseName.ENGAGEMENT], types, clock)
    catalog = _catalog(settings, background_pools[DatabaseName.CATALOG], background_engagement_db, domain)
    watchers = _Watchers(settings, serving.engagement_db, catalog, ForgottenUsers(settings.models.model_path))
    models = watchers.of_served_model()
    # Answers at a past moment measure the settings, so experiments must not change them.
    experiments = configured_experiments(settings.experiments) if as_of is None else ()
    experiment_models = watchers.of_experiments(experiments)
    for watcher in (models, *experiment_models.values()):
        catalog.prepare_with(watcher.prepare)
    item_cache = ItemCache(settings.catalog.media_cache_size, settings.catalog.media_cache_bytes)
    hydrator = Hydrator(serving.catalog_db, catalog, item_cache)
    return Container(
        domain=domain,
        databases={(name, "requests"): database for name, database in pools.items()}
        | {(name, "catalogue"): database for name, database in background_pools.items()},
        catalog=catalog,
        catalog_source=_catalog_source(settings, domain, clock),
        models=models,
        others=(DatabaseChecker(list(pools.values())), FreedMemoryReturner(), *experiment_models.values()),
        service=RecommendationService(
            reader=_reader(settings, serving, catalog, clock),
            models=models,
            hydrator=hydrator,
            window_days=settings.ranking.interaction_window_days,
            verbs=domain.verbs,
            experiments=ExperimentModels(experiments, models, experiment_models) if experiments else None,
            signer=_signer(settings),
        ),
        items=_items(settings, models, catalog, hydrator, background_engagement_db),
        profiles=_profiles(settings, serving, item_cache),
        status=StatusReader(pools, catalog, models, item_cache, experiment_models),
    )


def _reader(
    settings: Settings, serving: _ServingDatabases, catalog: CatalogRefresher, clock: Clock
) -> ChunkReader:
    return ChunkReader(
        user_db=serving.user_db,
        engagement_db=serving.engagement_db,
        catalog=catalog,
        time_budget_s=settings.requests.time_budget_s,
        clock=clock,
    )


def _profiles(settings: Settings, serving: _ServingDatabases, item_cache: ItemCache) -> ProfileReader:
    return ProfileReader(
        user_db=serving.user_db,
        catalog_db=serving.catalog_db,
        engagement_db=serving.engagement_db,
        item_cache=item_cache,
        time_budget_s=settings.requests.time_budget_s,
    )


def _background_databases(settings: DatabaseSettings) -> dict[DatabaseName, Database]:
    """Return small pools with long timeouts, for reading whole tables."""
    return {
        name: Database(name, settings.for_whole_reads(connections), purpose=Purpose.WHOLE_TABLES)
        for name, connections in BACKGROUND_CONNECTIONS.items()
    }


def _catalog(
    settings: Settings,
    catalog_db: Database,
    engagement_db: EngagementDatabase,
    domain: Domain,
) -> CatalogRefresher:
    return CatalogRefresher(
        CatalogDatabase(catalog_db, domain),
        engagement_db,
        settings.catalog,
        window_days=settings.ranking.interaction_window_days,
        domain=domain,
        clock=engagement_db.clock,
    )


def _items(
    settings: Settings,
    models: ModelWatcher,
    catalog: CatalogRefresher,
    hydrator: Hydrator,
    background_engagement_db: EngagementDatabase,
) -> ItemService:
    refresh_seconds, clock = settings.catalog.catalog_refresh_seconds, background_engagement_db.clock
    return ItemService(
        models=models,
        catalog=catalog,
        hydrator=hydrator,
        window_popularity=WindowPopularity(background_engagement_db, refresh_seconds, clock),
        window_days=settings.ranking.interaction_window_days,
        time_budget_s=settings.requests.time_budget_s,
        clock=clock,
    )


def _signer(settings: Settings) -> TokenSigner | None:
    keys = settings.experiments.experiment_key
    return TokenSigner(keys) if keys else None


class _Watchers(NamedTuple):
    """Makes watchers of models. They share the list of forgotten users, as reading a long one takes long."""

    settings: Settings
    engagement_db: EngagementDatabase
    catalog: CatalogRefresher
    forgotten: ForgottenUsers

    def of_served_model(self) -> ModelWatcher:
        wanted = self.settings.models.model
        refuse_unknown_model(wanted)
        return self._of(wanted)

    def of_experiments(self, experiments: Iterable[Experiment]) -> dict[str, ModelWatcher]:
        """Return a watcher for each model that experiments name."""
        return {name: self._of(name) for name in named_models(experiments)}

    def _of(self, wanted: str) -> ModelWatcher:
        settings, search = self.settings, self.settings.neighbour_search
        return ModelWatcher(
            UserKnnSql(self.engagement_db, search, self.forgotten.last_read),
            settings.models.model_path,
            wanted=wanted,
            window_days=settings.ranking.interaction_window_days,
            current_index=self.catalog.latest,
            forgotten=self.forgotten,
            blend=configured_blend(settings.ranking),
            may_learn_blend=wanted == AUTO and settings.ranking.leaves_blend_open,
            min_history=settings.ranking.min_history,
            overrides=pinned_hyperparameters(search),
        )


def _with_domain_sql(settings: DatabaseSettings, domain: Domain) -> DatabaseSettings:
    """Return the settings with the query files of the domain, unless an overlay is configured."""
    return settings if settings.sql_path else settings.model_copy(update={"sql_path": domain.sql_path})


def _catalog_source(settings: Settings, domain: Domain, clock: Clock) -> str:
    """Return a hash of the databases, statements, settings and moment that a catalog index depends on."""
    made_by = (
        settings.ranking.interaction_window_days,
        settings.interaction_types,
        domain.filtered,
        clock,
    )
    digest = sha256(" ".join(map(str, made_by)).encode())
    database_settings = _with_domain_sql(settings.databases, domain)
    for name in BACKGROUND_CONNECTIONS:
        digest.update(database_settings.url(name).encode())
        for query in load_queries(name, database_settings.sql_path).values():
            digest.update(query.statement)
    return digest.hexdigest()[:16]
