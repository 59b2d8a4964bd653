"""The state of the service, without querying a database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

from recommender.catalog.gate import HeldBack, HoldReason
from recommender.catalog.item_cache import ItemCache
from recommender.catalog.refresh import CatalogRefresher
from recommender.catalog.status import CatalogStatus
from recommender.databases.database import Database
from recommender.entities import DatabaseName, DatabaseState
from recommender.model_store.selection import Refusal
from recommender.model_store.watcher import ModelWatcher
from recommender.system.background import Pause, RepeatingThread, revive_threads

_CHECK_S = 1.0


class Readiness(StrEnum):
    """Whether the service can give useful answers: complete, degraded, or none."""

    READY = "ready"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The model that answers; live SQL has neither version nor age.

    `refused`: a published model that is not used. `wanted`: what MODEL or an experiment names. `is_missing`:
    whether that is a trained model, and no version is published.
    """

    name: str
    version: str | None
    age_s: float | None
    refused: Refusal | None
    wanted: str
    is_missing: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the service at one time.

    `details_cached`: whether some details are cached, for outages of catalog_db. `stopped`: background
    threads that ended. `experiment_models`: the model that answers for each one named by experiments.
    `held_back`: a load of the catalog that lacks too much to be used, also if there is no index.
    `load_failure`: the error that the last load of the catalog ended in, or empty.
    """

    databases: Mapping[DatabaseName, DatabaseState]
    catalog: CatalogStatus | None
    model: ModelStatus
    details_cached: bool
    stopped: tuple[str, ...] = ()
    experiment_models: Mapping[str, ModelStatus] = field(default_factory=dict)
    held_back: HeldBack | None = None
    load_failure: str = ""

    @property
    def readiness(self) -> Readiness:
        """Return ready if answers are complete. A slow database does not count as down."""
        down = [name for name, state in self.databases.items() if state is DatabaseState.DOWN]
        if self.catalog is None:
            return Readiness.UNAVAILABLE
        held_back = self.catalog.held_back
        # A catalog_db without items answers, but has no details to show.
        is_empty = held_back is not None and held_back.reason is HoldReason.EMPTY
        if (is_empty or DatabaseName.CATALOG in down) and not self.details_cached:
            return Readiness.UNAVAILABLE
        catalog = self.catalog
        lacks = catalog.failed or catalog.outdated or held_back is not None or not catalog.popularity_known
        if down or lacks or self.stopped:
            return Readiness.DEGRADED
        return Readiness.READY


class StatusReader:
    """Reads the status from the parts of the service."""

    def __init__(
        self,
        databases: Mapping[DatabaseName, Database],
        catalog: CatalogRefresher,
        models: ModelWatcher,
        item_cache: ItemCache,
        experiment_models: Mapping[str, ModelWatcher],
    ) -> None:
        self._databases = databases
        self._catalog = catalog
        self._models = models
        self._item_cache = item_cache
        self._experiment_models = experiment_models

    def read(self) -> Status:
        """Return the present status. Try to restart ended threads. Does not block."""
        return Status(
            databases={name: database.state for name, database in self._databases.items()},
            catalog=self._catalog.status(),
            model=_model_status(self._models),
            details_cached=len(self._item_cache) > 0,
            stopped=revive_threads(),
            experiment_models={
                name: _named_status(name, models) for name, models in self._experiment_models.items()
            },
            held_back=self._catalog.held_back,
            load_failure=self._catalog.failure,
        )


def _model_status(models: ModelWatcher) -> ModelStatus:
    model = models.state()
    built_at = model.built_at
    # The clock may have been set back since.
    age_s = None if built_at is None else max(0.0, (datetime.now(UTC) - built_at).total_seconds())
    return ModelStatus(model.name, model.version, age_s, model.refused, models.wanted, models.is_missing)


def _named_status(name: str, models: ModelWatcher) -> ModelStatus:
    """Return the model that answers for a named one; refused if no version is published."""
    status = _model_status(models)
    if status.refused is None and models.is_missing:
        return replace(status, refused=Refusal(name, None, "no version of it is published"))
    return status


class DatabaseChecker:
    """Checks databases in the background: a server without requests must notice recovery."""

    def __init__(self, databases: Sequence[Database]) -> None:
        # One thread for each database, so that a timeout of one does not delay the others.
        self._threads = [
            RepeatingThread(f"check {database.name}", partial(_check, database), _CHECK_S)
            for database in databases
        ]

    def open(self) -> None:
        """Start checking in the background."""
        for thread in self._threads:
            thread.open()

    def close(self) -> None:
        """Stop checking, and wait until no check uses a database."""
        for thread in self._threads:
            thread.close()


def _check(database: Database) -> Pause:
    database.check()
    return Pause(_CHECK_S, _CHECK_S)
