"""Reads the details of shown items, also when items were deleted or catalog_db fails."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.catalog.item_cache import ItemCache
from recommender.catalog.refresh import CatalogRefresher
from recommender.databases.catalog_db import CatalogDatabase
from recommender.deadline import Deadline
from recommender.entities import DatabaseName, Item, Page
from recommender.errors import DatabaseUnavailableError, NothingToRecommendFromError
from recommender.serving.failures import Failures

# Extra items to rank after some turned out to be deleted.
_SPARE_ITEMS = 100


@dataclass(frozen=True, slots=True)
class ItemScope:
    """Masks over the items of the catalog index, shape (items,).

    `existing`: not deleted since the index was loaded. `showable`: details are available.
    """

    existing: NDArray[np.bool_]
    showable: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Survey:
    """The items of an index that still exist. `asked_at`: by the monotonic clock."""

    version: str
    asked_at: float
    existing: NDArray[np.bool_]


class Hydrator:
    """Begins hydrations, and caches which items exist."""

    def __init__(self, catalog_db: CatalogDatabase, catalog: CatalogRefresher, item_cache: ItemCache) -> None:
        self.catalog_db = catalog_db
        self.catalog = catalog
        self.item_cache = item_cache
        self._survey: _Survey | None = None
        self._survey_lock = threading.Lock()

    def begin(self, index: CatalogIndex, page: Page, deadline: Deadline, failures: Failures) -> "Hydration":
        """Begin the hydration of pages ranked by an index."""
        return Hydration(self, index, page, deadline, failures)

    def survey(self, index: CatalogIndex, deadline: Deadline) -> _Survey:
        """Read from catalog_db which items exist. Waiting requests share one read.

        Raises:
            DatabaseUnavailableError: catalog_db does not answer in time.
        """
        wanted_at = time.monotonic()
        if not self._survey_lock.acquire(timeout=deadline.remaining_s):
            raise DatabaseUnavailableError(DatabaseName.CATALOG)
        try:
            survey = self._survey
            if survey is None or survey.version != index.version or survey.asked_at < wanted_at:
                asked_at = time.monotonic()
                found = index.item_keys.locate(self.catalog_db.fetch_existing_keys(deadline))
                existing = np.zeros(len(index.item_ids), dtype=np.bool_)
                existing[found[found >= 0]] = True
                survey = self._survey = _Survey(index.version, asked_at, existing)
            return survey
        finally:
            self._survey_lock.release()


class Hydration:
    """Reads the details of one request's pages in one statement, or two if items were deleted.

    Use in rounds, until `read` returns true:

        while not hydration.read(shown_idx):
            ...rank again, within `hydration.scope` and for `hydration.page`

    Usually one round is enough. If items were deleted since the index was loaded, their details are missing:
    the second round ranks extra items, because more may be deleted, and the third the page itself. If details
    are still missing, `survey` reads which items exist, and the last round ranks these. If catalog_db does
    not answer, the last round ranks the cached items.
    """

    def __init__(
        self,
        hydrator: Hydrator,
        index: CatalogIndex,
        page: Page,
        deadline: Deadline,
        failures: Failures,
    ) -> None:
        self.details: dict[str, Item] = {}
        self.page = self._page = page
        self.scope = _scope_of(hydrator.catalog.existing(index))
        self._hydrator = hydrator
        self._index = index
        self._deadline = deadline
        self._failures = failures
        self._asked_at = time.monotonic()
        self._missing: list[str] = []
        self._round: Callable[[Sequence[str]], bool] = self._read_page

    def read(self, shown_idx: NDArray[np.intp]) -> bool:
        """Read missing details. Return true if the pages are complete, false for another round.

        Args:
            shown_idx: indices of all items to show; may repeat. Those outside of `scope`, such as the items
                of a history, are left out: ranking again would name them again.

        Raises:
            NothingToRecommendFromError: catalog_db does not answer and no details are cached.
        """
        existing_idx = shown_idx[self.scope.existing[shown_idx]]
        item_ids = self._index.item_ids.texts_at(sorted(set(existing_idx.tolist())))
        try:
            return self._round(item_ids)
        except DatabaseUnavailableError as exc:
            self._use_cached_details(exc.database)
            return False

    def _read_page(self, item_ids: Sequence[str]) -> bool:
        if self._fetch(item_ids):
            return True
        self.page = replace(self._page, limit=self._page.limit + _SPARE_ITEMS)
        self._round = self._read_spare
        return False

    def _read_spare(self, item_ids: Sequence[str]) -> bool:
        self._fetch(item_ids)
        self.page = self._page
        self._round = self._check_page
        if not self.details:
            self._prepare_last_round()
        return False

    def _check_page(self, item_ids: Sequence[str]) -> bool:
        if self.details.keys() >= set(item_ids):
            self._exclude_deleted(self._missing, self._asked_at)
            return True
        self._prepare_last_round()
        return False

    def _read_what_exists(self, item_ids: Sequence[str]) -> bool:
        self._fetch(item_ids)
        return True

    def _fetch(self, item_ids: Sequence[str]) -> bool:
        """Fetch details that are not read yet; return false if some items do not exist."""
        unread = [item_id for item_id in item_ids if item_id not in self.details]
        if unread:
            cache = self._hydrator.item_cache
            found = self._hydrator.catalog_db.fetch_items(unread, self._deadline, cache.known)
            cache.remember(found)
            self.details |= found
        missing = [item_id for item_id in unread if item_id not in self.details]
        if missing:
            self._missing += missing
            self.scope = _scope_of(self.scope.existing & ~self._index.mask(missing))
        return not missing

    def _prepare_last_round(self) -> None:
        """Let the last round rank the items that exist.

        Raises:
            DatabaseUnavailableError: no item exists. catalog_db is being refilled, which counts as down.
        """
        survey = self._hydrator.survey(self._index, self._deadline)
        if not survey.existing.any():
            self._hydrator.catalog.load_soon()
            raise DatabaseUnavailableError(DatabaseName.CATALOG)
        existing = self._hydrator.catalog.existing(self._index)
        deleted = np.flatnonzero(existing & ~survey.existing)
        self._exclude_deleted([self._index.item_ids[idx] for idx in deleted.tolist()], survey.asked_at)
        self.scope = _scope_of(existing & survey.existing)
        self._round = self._read_what_exists

    def _exclude_deleted(self, item_ids: Sequence[str], asked_at: float) -> None:
        """Exclude items. Call only if some exist: if all are missing, catalog_db is being refilled."""
        if item_ids:
            self._hydrator.item_cache.forget(item_ids)
            self._hydrator.catalog.mark_gone(self._index, item_ids, asked_at)

    def _use_cached_details(self, failed: DatabaseName) -> None:
        """Let the last round rank the items whose details are cached."""
        self._failures.add(failed)
        self.details = self._hydrator.item_cache.snapshot()
        self.scope = ItemScope(
            existing=self._hydrator.catalog.existing(self._index),
            showable=self._index.mask(list(self.details)),
        )
        if not self.scope.showable.any():
            raise NothingToRecommendFromError
        self.page = self._page
        self._round = _are_complete


def _scope_of(existing: NDArray[np.bool_]) -> ItemScope:
    return ItemScope(existing=existing, showable=existing)


def _are_complete(item_ids: Sequence[str]) -> bool:  # noqa: ARG001 - as the other rounds
    return True
