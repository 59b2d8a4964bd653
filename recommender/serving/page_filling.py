"""From a ranking to pages of media with their details, and what remains of them when catalog_db fails."""

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


class PageFiller:
    """Reads the details of what is on pages: one statement for all of them, or two where media are gone."""

    def __init__(
        self, catalog_db: CatalogDatabase, catalogue: CatalogueRefresher, media_cache: MediaCache
    ) -> None:
        self._catalog_db = catalog_db
        self._catalogue = catalogue
        self._media_cache = media_cache

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
        to spare, as more may be gone.
        """
        scope = self._existing(index)
        pages = rank(page, scope)
        wanted = _media_on(pages, index)
        media = self._fetch_media(wanted, index, deadline)
        if len(media) == len(wanted):
            return FilledPages(pages, media)
        reserve = rank(Page(page.limit + _SPARE_MEDIA, page.offset), self._existing(index))
        more = [media_id for media_id in _media_on(reserve, index) if media_id not in media]
        media = {**media, **self._fetch_media(more, index, deadline)}
        return FilledPages(rank(page, self._existing(index)), media)

    def _existing(self, index: CatalogueIndex) -> Scope:
        existing = ~index.mark(list(self._catalogue.gone_since(index)))
        return Scope(existing=existing, showable=existing)

    def _fetch_media(
        self, media_ids: Sequence[str], index: CatalogueIndex, deadline: Deadline
    ) -> Mapping[str, Media]:
        """Details of those that still exist; the others are noted as gone."""
        if not media_ids:
            return {}
        media = self._catalog_db.fetch_media(media_ids, deadline)
        self._media_cache.remember(media)
        gone = [media_id for media_id in media_ids if media_id not in media]
        if gone:
            self._media_cache.forget(gone)
            self._catalogue.mark_gone(index, gone)
        return media

    def _recall(
        self, rank: Ranker[P], page: Page, index: CatalogueIndex, failed: DatabaseName
    ) -> FilledPages[P]:
        """Rank the media whose details are cached: catalog_db cannot be asked."""
        media = self._media_cache.snapshot()
        scope = Scope(existing=self._existing(index).existing, showable=index.mark(list(media)))
        if not scope.showable.any():
            raise NothingToRecommendFromError
        return FilledPages(rank(page, scope), media, frozenset({failed}))


def _media_on(pages: Iterable[RankedPage], index: CatalogueIndex) -> list[str]:
    """The distinct ids of the media on some pages."""
    positions = {int(media_idx) for page in pages for media_idx in page.shown_idx}
    return [index.media_ids[media_idx] for media_idx in sorted(positions)]
