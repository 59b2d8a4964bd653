"""From a ranking to pages of media with their details, and what remains of them when catalog_db fails."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.catalogue.media_cache import MediaCache
from recommender.catalogue.refresh import CatalogueRefresher
from recommender.databases.catalog_db import CatalogDatabase
from recommender.deadline import Deadline
from recommender.domain import DatabaseName, Media, Page
from recommender.errors import DatabaseUnavailableError, NothingToRecommendFromError

# How many more media are looked at where some turned out to be gone.
_SPARE_MEDIA = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """Which media count, as masks over the catalogue index.

    `existing`: not deleted since the index was loaded. `showable`: details can be had.
    """

    existing: NDArray[np.bool_]
    showable: NDArray[np.bool_]


class RankedPage(Protocol):
    """A page as positions in the catalogue index."""

    @property
    def shown_idx(self) -> NDArray[np.intp]:
        """Every medium whose details are shown."""
        ...


P = TypeVar("P", bound=RankedPage)
# Ranks within a scope, and gives a page for each of those who asked.
Ranker = Callable[[Page, Scope], Sequence[P]]


@dataclass(frozen=True, slots=True)
class FilledPages(Generic[P]):
    """Pages, details by media id, and whether catalog_db failed. Where it did, details may be missing."""

    pages: Sequence[P]
    media: Mapping[str, Media]
    failed: frozenset[DatabaseName] = frozenset()


@dataclass(frozen=True, slots=True)
class _Survey:
    """Which media of an index still exist, and since when that was asked, by the monotonic clock."""

    version: str
    asked_at: float
    existing: NDArray[np.bool_]


class PageFiller:
    """Reads the details of what is on pages: one statement for all of them, two where media are gone.

    Where that does not fill them, two more: which media are left, and their details.
    """

    def __init__(
        self, catalog_db: CatalogDatabase, catalogue: CatalogueRefresher, media_cache: MediaCache
    ) -> None:
        self._catalog_db = catalog_db
        self._catalogue = catalogue
        self._media_cache = media_cache
        self._survey: _Survey | None = None
        self._survey_lock = threading.Lock()

    def fill(self, rank: Ranker[P], page: Page, index: CatalogueIndex, deadline: Deadline) -> FilledPages[P]:
        """The pages that `rank` gives for `page`, with details; from what is cached where catalog_db is down.

        Raises:
            NothingToRecommendFromError: catalog_db is down and no details are cached.
        """
        try:
            return self._fetch(rank, page, index, deadline)
        except DatabaseUnavailableError as exc:
            return self._recall(rank, page, index, exc.database)

    def _fetch(
        self, rank: Ranker[P], page: Page, index: CatalogueIndex, deadline: Deadline
    ) -> FilledPages[P]:
        """Media deleted since the index was loaded show as missing details.

        They are left out from then on, and the pages filled from what ranks next; that is read with something
        to spare, as more may be gone. Where all of that is gone too, it is asked what is left.
        """
        asked_at = time.monotonic()
        scope = self._existing(index)
        pages = rank(page, scope)
        wanted = _media_on(pages, index)
        media = self._fetch_media(wanted, deadline)
        if len(media) == len(wanted):
            return FilledPages(pages, media)
        missing = [media_id for media_id in wanted if media_id not in media]
        reserve = rank(Page(page.limit + _SPARE_MEDIA, page.offset), _without(scope, missing, index))
        more = [media_id for media_id in _media_on(reserve, index) if media_id not in media]
        media |= self._fetch_media(more, deadline)
        missing = [media_id for media_id in dict.fromkeys((*wanted, *more)) if media_id not in media]
        if media:
            pages = rank(page, _without(scope, missing, index))
            if media.keys() >= set(_media_on(pages, index)):
                self._leave_out(index, missing, asked_at)
                return FilledPages(pages, media)
        return self._fill_from_what_is_left(rank, page, index, media, deadline)

    def _fill_from_what_is_left(
        self,
        rank: Ranker[P],
        page: Page,
        index: CatalogueIndex,
        media: Mapping[str, Media],
        deadline: Deadline,
    ) -> FilledPages[P]:
        """Pages ranked among the media that exist.

        Raises:
            DatabaseUnavailableError: none does: catalog_db is being filled anew, which is as good as down.
        """
        survey = self._look_what_is_left(index, deadline)
        if not survey.existing.any():
            self._catalogue.load_soon()
            raise DatabaseUnavailableError(DatabaseName.CATALOG)
        scope = self._existing(index)
        gone = np.flatnonzero(scope.existing & ~survey.existing)
        self._leave_out(index, [index.media_ids[media_idx] for media_idx in gone.tolist()], survey.asked_at)
        existing = scope.existing & survey.existing
        pages = rank(page, Scope(existing=existing, showable=existing))
        unread = [media_id for media_id in _media_on(pages, index) if media_id not in media]
        return FilledPages(pages, {**media, **self._fetch_media(unread, deadline)})

    def _look_what_is_left(self, index: CatalogueIndex, deadline: Deadline) -> _Survey:
        """Ask catalog_db which media exist; requests that wait for the same answer share it.

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
                found = index.media_keys.locate(self._catalog_db.fetch_existing_keys(deadline))
                existing = np.zeros(len(index.media_ids), dtype=np.bool_)
                existing[found[found >= 0]] = True
                survey = self._survey = _Survey(index.version, asked_at, existing)
            return survey
        finally:
            self._survey_lock.release()

    def _existing(self, index: CatalogueIndex) -> Scope:
        existing = self._catalogue.existing(index)
        return Scope(existing=existing, showable=existing)

    def _fetch_media(self, media_ids: Sequence[str], deadline: Deadline) -> dict[str, Media]:
        """Details of those that still exist."""
        if not media_ids:
            return {}
        media = self._catalog_db.fetch_media(media_ids, deadline)
        self._media_cache.remember(media)
        return media

    def _leave_out(self, index: CatalogueIndex, media_ids: Sequence[str], asked_at: float) -> None:
        """Note media as gone. Only now: where all are, catalog_db is being filled anew."""
        if media_ids:
            self._media_cache.forget(media_ids)
            self._catalogue.mark_gone(index, media_ids, asked_at)

    def _recall(
        self, rank: Ranker[P], page: Page, index: CatalogueIndex, failed: DatabaseName
    ) -> FilledPages[P]:
        """Rank the media whose details are cached: catalog_db cannot be asked."""
        media = self._media_cache.snapshot()
        scope = Scope(existing=self._existing(index).existing, showable=index.mark(list(media)))
        if not scope.showable.any():
            raise NothingToRecommendFromError
        return FilledPages(rank(page, scope), media, frozenset({failed}))


def _without(scope: Scope, media_ids: Sequence[str], index: CatalogueIndex) -> Scope:
    existing = scope.existing & ~index.mark(media_ids)
    return Scope(existing=existing, showable=existing)


def _media_on(pages: Iterable[RankedPage], index: CatalogueIndex) -> list[str]:
    """The distinct ids of the media on some pages."""
    positions = {int(media_idx) for page in pages for media_idx in page.shown_idx}
    return [index.media_ids[media_idx] for media_idx in sorted(positions)]
