"""Ranks popular items, and items similar to one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex, window_start
from recommender.catalog.refresh import CatalogRefresher
from recommender.catalog.window_popularity import WindowPopularity
from recommender.deadline import ENGAGEMENT_DB_SHARE, INDEX_SHARE, Deadline
from recommender.entities import (
    ANY_ITEM,
    DatabaseName,
    Item,
    ItemFilter,
    Page,
    PopularItem,
    PopularItemsPage,
    SimilarItem,
    SimilarItemsPage,
    Strategy,
)
from recommender.errors import StillCountingError, UnknownItemError
from recommender.models.base import ItemSimilarities, ModelSource, SimilarItems, Window
from recommender.observability.telemetry import SERVICE_STAGE, stage
from recommender.ranking.item_similarity import genre_overlaps
from recommender.ranking.top_k import top_k
from recommender.serving.failures import Failures
from recommender.serving.hydration import Hydrator, ItemScope
from recommender.system.clock import PRESENT, Clock


@dataclass(frozen=True, slots=True)
class _SimilarPage:
    """Indices of items similar to one, and their similarities, as parallel arrays."""

    item_idx: NDArray[np.intp]
    similarities: NDArray[np.float64]
    shared_user_counts: NDArray[np.int64] | None
    genre_overlaps: NDArray[np.float64]
    strategy: Strategy


class ItemService:
    """Ranks items by popularity, or by similarity to one item."""

    def __init__(
        self,
        *,
        models: ModelSource,
        catalog: CatalogRefresher,
        hydrator: Hydrator,
        window_popularity: WindowPopularity,
        window_days: int,
        time_budget_s: float,
        clock: Clock = PRESENT,
    ) -> None:
        self._models = models
        self._catalog = catalog
        self._hydrator = hydrator
        self._window_popularity = window_popularity
        self._window_days = window_days
        self._time_budget_s = time_budget_s
        self._clock = clock

    def popular(
        self,
        page: Page,
        filters: ItemFilter = ANY_ITEM,
        window_days: int | None = None,
        *,
        index_version: str | None = None,
        asked_at: float | None = None,
    ) -> PopularItemsPage:
        """Return a page of popular items; ties by the configured window, then by id.

        A window other than the configured one is counted at its first request. If the count takes longer than
        a request may, or fails, the page is of the configured window, and says so.

        Raises:
            NothingToRecommendFromError: catalog_db does not answer, and nothing fitting is cached.
        """
        deadline = Deadline.after(self._time_budget_s, asked_at)
        index = self._catalog.current(deadline.share(INDEX_SHARE), index_version)
        failures = Failures()
        counts, counted_days, is_counting = index.user_counts, self._window_days, False
        if window_days is not None and window_days != self._window_days:
            until = deadline.share(ENGAGEMENT_DB_SHARE)
            try:
                with failures:
                    counts = self._window_popularity.user_counts(window_days, index, until)
                    counted_days = window_days
            except StillCountingError:
                is_counting = True
        if counted_days == self._window_days and not index.popularity.known:
            failures.add(DatabaseName.ENGAGEMENT)
        matching = index.matching(filters)

        with stage(SERVICE_STAGE):
            hydration = self._hydrator.begin(index, page, deadline, failures)
            complete = False
            while not complete:
                showable, wanted = hydration.scope.showable, hydration.page
                eligible = showable if matching is None else showable & matching
                item_idx = top_k(counts, eligible, wanted.limit, wanted.offset)
                complete = hydration.read(item_idx)
        details = _details_by_rank(item_idx, hydration.details, index)
        return PopularItemsPage(
            items=tuple(PopularItem(details[rank], int(counts[item_idx[rank]])) for rank in details),
            window_days=counted_days,
            is_counting=is_counting,
            degraded=failures.names,
            index_version=index.version,
        )

    def similar(
        self,
        item_id: str,
        page: Page,
        filters: ItemFilter = ANY_ITEM,
        *,
        index_version: str | None = None,
        asked_at: float | None = None,
    ) -> SimilarItemsPage:
        """Return a page of items similar to one: by cosine over users, then by common genres.

        If no user has the item, genres alone count. Ties by popularity, then by id.

        Raises:
            UnknownItemError: the catalog does not have the item, or no longer.
            NothingToRecommendFromError: catalog_db does not answer, and nothing fitting is cached.
        """
        deadline = Deadline.after(self._time_budget_s, asked_at)
        index = self._catalog.current(deadline.share(INDEX_SHARE), index_version)
        anchor_idx = int(index.locate([item_id])[0])
        if anchor_idx < 0 or not self._catalog.existing(index)[anchor_idx]:
            raise UnknownItemError
        model = self._models.selection().similar_items
        failures = Failures()
        with stage(SERVICE_STAGE):
            similarities = self._find_similar(item_id, index, model, deadline, failures)
            ranker = _SimilarRanker(anchor_idx, similarities, index, filters)
            hydration = self._hydrator.begin(index, page, deadline, failures)
            complete = False
            while not complete:
                ranked = ranker.rank(hydration.scope, hydration.page)
                # The details of the item itself are shown too, and it may have been deleted.
                complete = hydration.read(np.append(ranked.item_idx, anchor_idx))
        if not self._catalog.existing(index)[anchor_idx]:
            raise UnknownItemError
        details = _details_by_rank(ranked.item_idx, hydration.details, index)
        return SimilarItemsPage(
            item_id=item_id,
            details=hydration.details.get(item_id),
            items=tuple(_similar_item(ranked, rank, details[rank]) for rank in details),
            strategy=ranked.strategy,
            degraded=failures.names,
            model=model.name,
            model_version=model.version,
            index_version=index.version,
        )

    def _find_similar(
        self, item_id: str, index: CatalogIndex, model: SimilarItems, deadline: Deadline, failures: Failures
    ) -> ItemSimilarities:
        """Return the model's similar items; none, with a recorded failure, if engagement_db fails."""
        if not index.popularity.known:
            failures.add(DatabaseName.ENGAGEMENT)
            return _NO_SIMILARITIES
        with failures:
            window = Window(self._window_days, window_start(self._window_days, self._clock.now()))
            return model.similar_items(item_id, index, window, deadline.share(ENGAGEMENT_DB_SHARE))
        return _NO_SIMILARITIES


_NO_SIMILARITIES = ItemSimilarities(
    np.empty(0, dtype=np.intp), np.empty(0), shared_user_counts=np.empty(0, dtype=np.int64)
)


class _SimilarRanker:
    """Ranks items by similarity to one: by users, then genres, then popularity."""

    def __init__(
        self, anchor_idx: int, similar: ItemSimilarities, index: CatalogIndex, filters: ItemFilter
    ) -> None:
        item_count = len(index.item_ids)
        self._counts: NDArray[np.int64] | None = None
        if similar.shared_user_counts is not None:
            self._counts = np.zeros(item_count, dtype=np.int64)
            self._counts[similar.item_idx] = similar.shared_user_counts
        self._similarities = np.zeros(item_count)
        self._similarities[similar.item_idx] = similar.similarities
        self._overlaps = genre_overlaps(index.genre_masks, index.genre_masks[anchor_idx])
        wanted = (self._similarities > 0.0) | (self._overlaps > 0.0)
        wanted[anchor_idx] = False
        matching = index.matching(filters)
        self._wanted = wanted if matching is None else wanted & matching

    def rank(self, scope: ItemScope, page: Page) -> _SimilarPage:
        """Return a page of the items in `scope`."""
        found = np.flatnonzero(self._wanted & scope.showable)
        order = np.lexsort((-self._overlaps[found], -self._similarities[found]))
        item_idx = found[order][page.offset : page.offset + page.limit]
        is_collaborative = bool((self._similarities[found] > 0.0).any())
        return _SimilarPage(
            item_idx=item_idx,
            similarities=self._similarities[item_idx],
            shared_user_counts=None if self._counts is None else self._counts[item_idx],
            genre_overlaps=self._overlaps[item_idx],
            strategy=Strategy.COLLABORATIVE if is_collaborative else Strategy.CONTENT,
        )


def _similar_item(ranked: _SimilarPage, rank: int, details: Item) -> SimilarItem:
    counts = ranked.shared_user_counts
    return SimilarItem(
        details=details,
        similarity=float(ranked.similarities[rank]),
        shared_user_count=None if counts is None else int(counts[rank]),
        genre_overlap=float(ranked.genre_overlaps[rank]),
    )


def _details_by_rank(
    item_idx: NDArray[np.intp], details: Mapping[str, Item], index: CatalogIndex
) -> dict[int, Item]:
    """Return details by rank on a page, in order, without items whose details are not available."""
    found = ((rank, details.get(index.item_ids[idx])) for rank, idx in enumerate(item_idx))
    return {rank: item for rank, item in found if item is not None}
