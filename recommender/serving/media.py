"""Media for nobody in particular: popular ones, and those like another one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex, window_start
from recommender.catalogue.refresh import CatalogueRefresher
from recommender.catalogue.window_popularity import WindowPopularity
from recommender.deadline import ENGAGEMENT_DB_SHARE, INDEX_SHARE, Deadline
from recommender.domain import (
    ANY_MEDIA,
    DatabaseName,
    Media,
    MediaFilter,
    Page,
    PopularItem,
    PopularMedia,
    SimilarItem,
    SimilarMedia,
    Strategy,
    in_order,
)
from recommender.errors import DatabaseUnavailableError, StillCountingError, UnknownMediaError
from recommender.models.base import NO_SHARED_USERS, CollaborativeModel, ModelSource, SharedUsers
from recommender.scoring.ranking import rank_page
from recommender.scoring.similar_media import cosine_similarities, genre_overlaps
from recommender.serving.page_filling import PageFiller, Scope
from recommender.telemetry import SERVICE, stage


@dataclass(frozen=True, slots=True)
class _PopularPage:
    """Positions in the catalogue index, and how many users each medium has, in step."""

    media_idx: NDArray[np.intp]
    user_counts: NDArray[np.int64]

    @property
    def shown_idx(self) -> NDArray[np.intp]:
        """The media of the page."""
        return self.media_idx


@dataclass(frozen=True, slots=True)
class _SimilarPage:
    """Positions in the catalogue index of one medium, and in step of those like it and how much they are."""

    anchor_idx: int
    media_idx: NDArray[np.intp]
    similarities: NDArray[np.float64]
    shared_user_counts: NDArray[np.int64]
    genre_overlaps: NDArray[np.float64]
    strategy: Strategy

    @property
    def shown_idx(self) -> NDArray[np.intp]:
        """The media of the page, and the one they are like: it may be gone."""
        return np.append(self.media_idx, self.anchor_idx)


class MediaService:
    """Ranks media by all users, or by those of one medium."""

    def __init__(
        self,
        *,
        models: ModelSource,
        catalogue: CatalogueRefresher,
        pages: PageFiller,
        window_popularity: WindowPopularity,
        window_days: int,
        time_budget_s: float,
    ) -> None:
        self._models = models
        self._catalogue = catalogue
        self._pages = pages
        self._window_popularity = window_popularity
        self._window_days = window_days
        self._time_budget_s = time_budget_s

    def popular(
        self,
        page: Page,
        filters: MediaFilter = ANY_MEDIA,
        window_days: int | None = None,
        *,
        index_version: str | None = None,
        asked_at: float | None = None,
    ) -> PopularMedia:
        """A page of the media most users liked or watched; ties by the configured window, then by id.

        Another window than the configured one is counted when it is first asked for. Where that takes longer
        than a request may, or fails, the answer is about the configured one, and says so.

        Raises:
            NothingToRecommendFromError: catalog_db does not answer, and nothing fitting is cached.
        """
        deadline = Deadline.after(self._time_budget_s, asked_at)
        index = self._catalogue.current(deadline.share(INDEX_SHARE), index_version)
        failed: frozenset[DatabaseName] = frozenset()
        counts, counted_days, is_counting = index.user_counts, self._window_days, False
        if window_days is not None and window_days != self._window_days:
            try:
                until = deadline.share(ENGAGEMENT_DB_SHARE)
                counts = self._window_popularity.user_counts(window_days, index, until)
                counted_days = window_days
            except StillCountingError:
                is_counting = True
            except DatabaseUnavailableError as exc:
                failed |= {exc.database}
        elif not index.popularity.known:
            failed |= {DatabaseName.ENGAGEMENT}
        matching = index.matching(filters)

        def rank(wanted: Page, scope: Scope) -> list[_PopularPage]:
            eligible = scope.showable if matching is None else scope.showable & matching
            media_idx = rank_page(counts, eligible, wanted.limit, wanted.offset)
            return [_PopularPage(media_idx, counts[media_idx])]

        with stage(SERVICE):
            filled = self._pages.fill(rank, page, index, deadline)
        (ranked,) = filled.pages
        media = _details(ranked.media_idx, filled.media, index)
        return PopularMedia(
            items=tuple(PopularItem(media[place], int(ranked.user_counts[place])) for place in media),
            window_days=counted_days,
            is_counting=is_counting,
            degraded=in_order(failed | filled.failed),
            index_version=index.version,
        )

    def similar(
        self,
        media_id: str,
        page: Page,
        filters: MediaFilter = ANY_MEDIA,
        *,
        index_version: str | None = None,
        asked_at: float | None = None,
    ) -> SimilarMedia:
        """A page of media like one: by cosine over users, then by genres in common.

        Where nobody has the medium, genres alone are left. Ties go to popularity, then to the id.

        Raises:
            UnknownMediaError: it is not in the catalogue, or not any more.
            NothingToRecommendFromError: catalog_db does not answer, and nothing fitting is cached.
        """
        deadline = Deadline.after(self._time_budget_s, asked_at)
        index = self._catalogue.current(deadline.share(INDEX_SHARE), index_version)
        anchor_idx = int(index.locate([media_id])[0])
        if anchor_idx < 0:
            raise UnknownMediaError
        model = self._models.current()
        with stage(SERVICE):
            shared, failed = self._find_shared_users(media_id, index, model, deadline)
            rank = _SimilarRanker(anchor_idx, shared, index, filters)
            filled = self._pages.fill(rank, page, index, deadline)
        if not self._catalogue.existing(index)[anchor_idx]:
            raise UnknownMediaError
        (ranked,) = filled.pages
        media = _details(ranked.media_idx, filled.media, index)
        return SimilarMedia(
            media_id=media_id,
            media=filled.media.get(media_id),
            items=tuple(_similar_item(ranked, place, media[place]) for place in media),
            strategy=ranked.strategy,
            degraded=in_order(failed | filled.failed),
            model=model.name,
            model_version=model.version,
            index_version=index.version,
        )

    def _find_shared_users(
        self, media_id: str, index: CatalogueIndex, model: CollaborativeModel, deadline: Deadline
    ) -> tuple[SharedUsers, frozenset[DatabaseName]]:
        """What the users of the medium have, nothing where engagement_db cannot say, which then is named."""
        if not index.popularity.known:
            return NO_SHARED_USERS, frozenset({DatabaseName.ENGAGEMENT})
        try:
            until = deadline.share(ENGAGEMENT_DB_SHARE)
            start = window_start(self._window_days)
            return model.find_shared_users(media_id, index, start, until), frozenset()
        except DatabaseUnavailableError as exc:
            return NO_SHARED_USERS, frozenset({exc.database})


class _SimilarRanker:
    """Ranks media by how much they are like one; the scope and the page may be others each time."""

    def __init__(
        self, anchor_idx: int, shared: SharedUsers, index: CatalogueIndex, filters: MediaFilter
    ) -> None:
        self._anchor_idx = anchor_idx
        self._counts = np.zeros(len(index.media_ids), dtype=np.int64)
        self._counts[shared.media_idx] = shared.shared_user_counts
        self._similarities = np.zeros(len(index.media_ids))
        self._similarities[shared.media_idx] = cosine_similarities(
            shared.shared_user_counts, shared.user_counts, shared.all_users, shared.read_users
        )
        self._overlaps = genre_overlaps(index.genre_masks, index.genre_masks[anchor_idx])
        wanted = (self._similarities > 0.0) | (self._overlaps > 0.0)
        wanted[anchor_idx] = False
        matching = index.matching(filters)
        self._wanted = wanted if matching is None else wanted & matching

    def __call__(self, page: Page, scope: Scope) -> list[_SimilarPage]:
        """One page."""
        found = np.flatnonzero(self._wanted & scope.showable)
        order = np.lexsort((-self._overlaps[found], -self._similarities[found]))
        media_idx = found[order][page.offset : page.offset + page.limit]
        is_collaborative = bool((self._similarities[found] > 0.0).any())
        return [
            _SimilarPage(
                anchor_idx=self._anchor_idx,
                media_idx=media_idx,
                similarities=self._similarities[media_idx],
                shared_user_counts=self._counts[media_idx],
                genre_overlaps=self._overlaps[media_idx],
                strategy=Strategy.COLLABORATIVE if is_collaborative else Strategy.CONTENT,
            )
        ]


def _similar_item(ranked: _SimilarPage, place: int, media: Media) -> SimilarItem:
    return SimilarItem(
        media=media,
        similarity=float(ranked.similarities[place]),
        shared_user_count=int(ranked.shared_user_counts[place]),
        genre_overlap=float(ranked.genre_overlaps[place]),
    )


def _details(
    media_idx: NDArray[np.intp], media: Mapping[str, Media], index: CatalogueIndex
) -> dict[int, Media]:
    """Details by place on a page, in its order, without the places whose details cannot be had."""
    found = ((place, media.get(index.media_ids[idx])) for place, idx in enumerate(media_idx))
    return {place: details for place, details in found if details is not None}
