"""Details of what is shown, and what remains of them when items were deleted or catalog_db fails."""

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

# How many more items are ranked where some turned out to be deleted.
_SPARE_ITEMS = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """Which items count, as masks over the catalog index; shape (items,).

    `existing`: not deleted since the index was loaded. `showable`: details can be had.
    """

    existing: NDArray[np.bool_]
    showable: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Survey:
    """Which items of an index still exist, and when that was asked, by the monotonic clock."""

    version: str
    asked_at: float
    existing: NDArray[np.bool_]


class Hydrator:
    """Begins hydrations, and holds what they share: which items exist, as catalog_db said last."""

    def __init__(self, catalog_db: CatalogDatabase, catalog: CatalogRefresher, item_cache: ItemCache) -> None:
        self.catalog_db = catalog_db
        self.catalog = catalog
        self.item_cache = item_cache
        self._survey: _Survey | None = None
        self._survey_lock = threading.Lock()

    def begin(self, index: CatalogIndex, page: Page, deadline: Deadline, failures: Failures) -> "Hydration":
        """Begin to read the details of pages that are ranked by an index."""
        return Hydration(self, index, page, deadline, failures)

    def survey(self, index: CatalogIndex, deadline: Deadline) -> _Survey:
        """Ask catalog_db which items exist; requests that wait for the same answer share it.

        Raises:
            DatabaseUnavailableError: catalog_db does not say, or not in time.
        """
        wanted_at = time.monotonic()
        if not self._survey_lock.acquire(timeout=deadline.remaining_s):
            raise DatabaseUnavailableError(DatabaseName.CATALOG)
        try:
            survey = self._survey
            if survey is None or survey.version != index.version or survey.asked_at < wanted_at:
                asked_at = time.monotonic()
                found = index.media_keys.locate(self.catalog_db.fetch_existing_keys(deadline))
                existing = np.zeros(len(index.item_ids), dtype=np.bool_)
                existing[found[found >= 0]] = True
                survey = self._survey = _Survey(index.version, asked_at, existing)
            return survey
        finally:
            self._survey_lock.release()


class Hydration:
    """Reads the details of one request's pages: one statement for all of them, two where items are deleted.

    Used in rounds, until `read` says that the pages are complete:

        while not hydration.read(shown_idx):
            ...rank again, within `hydration.scope` and for `hydration.page`

    The first round is the only one, unless items were deleted since the index was loaded. Those show as
    missing details; the second round then ranks with some to spare, as more may be deleted, and the third
    the page itself. Where that still lacks details, catalog_db is asked which items exist, and the last round
    ranks among these. Where catalog_db does not answer, the last round ranks what is cached.
    """

    def __init__(
        self,
        hydrator: Hydrator,
        index: CatalogIndex,
        page: Page,
        deadline: Deadline,
        failures: Failures,
    ) -> None:
        self.media: dict[str, Item] = {}
        self.page = self._page = page
        self.scope = _among(hydrator.catalog.existing(index))
        self._hydrator = hydrator
        self._index = index
        self._deadline = deadline
        self._failures = failures
        self._asked_at = time.monotonic()
        self._missing: list[str] = []
        self._round: Callable[[Sequence[str]], bool] = self._read_page

    def read(self, shown_idx: NDArray[np.intp]) -> bool:
        """Read what is not read yet; true where the pages are complete, else another round is due.

        Args:
            shown_idx: positions of all items whose details are shown, repeated or not.

        Raises:
            NothingToRecommendFromError: catalog_db does not answer and no details are cached.
        """
        item_ids = [self._index.item_ids[idx] for idx in np.unique(shown_idx).tolist()]
        try:
            return self._round(item_ids)
        except DatabaseUnavailableError as exc:
            self._recall(exc.database)
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
        self._round = self._settle
        if not self.media:
            self._look_what_exists()
        return False

    def _settle(self, item_ids: Sequence[str]) -> bool:
        if self.media.keys() >= set(item_ids):
            self._note_deleted(self._missing, self._asked_at)
            return True
        self._look_what_exists()
        return False

    def _read_what_exists(self, item_ids: Sequence[str]) -> bool:
        self._fetch(item_ids)
        return True

    def _fetch(self, item_ids: Sequence[str]) -> bool:
        """Fetch the details of those that are not read yet; false where some do not exist."""
        unread = [item_id for item_id in item_ids if item_id not in self.media]
        if unread:
            found = self._hydrator.catalog_db.fetch_media(unread, self._deadline)
            self._hydrator.item_cache.remember(found)
            self.media |= found
        missing = [item_id for item_id in unread if item_id not in self.media]
        if missing:
            self._missing += missing
            self.scope = _among(self.scope.existing & ~self._index.mark(missing))
        return not missing

    def _look_what_exists(self) -> None:
        """Let the last round rank the items that exist.

        Raises:
            DatabaseUnavailableError: none does: catalog_db is being filled anew, which is as good as down.
        """
        survey = self._hydrator.survey(self._index, self._deadline)
        if not survey.existing.any():
            self._hydrator.catalog.load_soon()
            raise DatabaseUnavailableError(DatabaseName.CATALOG)
        existing = self._hydrator.catalog.existing(self._index)
        deleted = np.flatnonzero(existing & ~survey.existing)
        self._note_deleted([self._index.item_ids[idx] for idx in deleted.tolist()], survey.asked_at)
        self.scope = _among(existing & survey.existing)
        self._round = self._read_what_exists

    def _note_deleted(self, item_ids: Sequence[str], asked_at: float) -> None:
        """Leave items out from now on. Not before: where all are missing, catalog_db is being filled anew."""
        if item_ids:
            self._hydrator.item_cache.forget(item_ids)
            self._hydrator.catalog.mark_gone(self._index, item_ids, asked_at)

    def _recall(self, failed: DatabaseName) -> None:
        """Let the last round rank the items whose details are cached."""
        self._failures.add(failed)
        self.media = self._hydrator.item_cache.snapshot()
        self.scope = Scope(
            existing=self._hydrator.catalog.existing(self._index),
            showable=self._index.mark(list(self.media)),
        )
        if not self.scope.showable.any():
            raise NothingToRecommendFromError
        self.page = self._page
        self._round = _are_complete


def _among(existing: NDArray[np.bool_]) -> Scope:
    return Scope(existing=existing, showable=existing)


def _are_complete(item_ids: Sequence[str]) -> bool:  # noqa: ARG001 - as the other rounds
    return True
