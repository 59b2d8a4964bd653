"""The one path from user ids to recommendations, and what remains of it when databases fail."""

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue_index import CatalogueIndex, window_start
from recommender.catalogue_refresh import CatalogueRefresher
from recommender.databases.catalog_db import CatalogDatabase
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.user_db import UserDatabase
from recommender.deadline import Deadline
from recommender.domain import (
    DatabaseName,
    History,
    Media,
    Page,
    Recommendation,
    Strategy,
    UserRecommendations,
    Weights,
    distinct_genres,
)
from recommender.errors import DatabaseUnavailableError, NothingToRecommendFromError
from recommender.media_cache import MediaCache
from recommender.models.base import NO_CANDIDATES, Candidates, CollaborativeModel, ModelSource
from recommender.scoring.collaborative import collaborative_scores
from recommender.scoring.content import content_scores
from recommender.scoring.ranking import rank_page, recommendation_scores
from recommender.telemetry import SERVICE, stage

CHUNK_USERS = 100
# A chunk may take the time budget once more for each so many further users.
_USERS_A_BUDGET = 25
# By when, as shares of a chunk's time, each of these must have answered, lest nothing is left for the next;
# catalog_db comes last.
_INDEX_SHARE, _USER_DB_SHARE, _ENGAGEMENT_DB_SHARE = 0.25, 0.5, 0.8
# How many more media are looked at where some turned out to be gone.
_SPARE_MEDIA = 100


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the databases said about a chunk's users, and which of them did not answer."""

    preferences: Mapping[str, Sequence[str]]
    histories: Mapping[str, History]
    candidates: Mapping[str, Candidates]
    failed: frozenset[DatabaseName]


@dataclass(frozen=True, slots=True)
class _RankedPage:
    """One user's page as positions in the catalogue index, and their scores, in step."""

    user_id: str
    media_idx: NDArray[np.intp]
    recommendation: NDArray[np.float64]
    content: NDArray[np.float64]
    collaborative: NDArray[np.float64]
    strategy: Strategy


@dataclass(frozen=True, slots=True)
class _Scope:
    """Which media count, as masks over the catalogue index.

    `existing`: not deleted since the index was loaded. `showable`: details can be had.
    """

    existing: NDArray[np.bool_]
    showable: NDArray[np.bool_]


class RecommendationService:
    """Recommends media to users, in a number of statements that does not depend on how many they are."""

    def __init__(
        self,
        *,
        user_db: UserDatabase,
        catalog_db: CatalogDatabase,
        engagement_db: EngagementDatabase,
        models: ModelSource,
        catalogue: CatalogueRefresher,
        media_cache: MediaCache,
        weights: Weights,
        window_days: int,
        time_budget_s: float,
    ) -> None:
        self._user_db = user_db
        self._catalog_db = catalog_db
        self._engagement_db = engagement_db
        self._models = models
        self._catalogue = catalogue
        self._media_cache = media_cache
        self._weights = weights
        self._window_days = window_days
        self._time_budget_s = time_budget_s

    def recommend(self, user_ids: Iterable[str], page: Page) -> Iterator[UserRecommendations]:
        """A page for each distinct user, in the order of the ids; at most 5 statements per 100 users.

        Works on 100 users at a time, when their results are asked for; one model answers for all.

        Raises:
            NothingToRecommendFromError: no database can answer and nothing usable is cached.
        """
        # No generator itself: the time budget runs from now, not from when results are asked for.
        return self._recommend_chunks(iter(dict.fromkeys(user_ids)), page, time.monotonic())

    def _recommend_chunks(
        self, user_ids: Iterator[str], page: Page, asked_at: float
    ) -> Iterator[UserRecommendations]:
        model = self._models.current()
        while chunk := list(itertools.islice(user_ids, CHUNK_USERS)):
            budget_s = self._time_budget_s * (1 + (len(chunk) - 1) / _USERS_A_BUDGET)
            yield from self._recommend_chunk(chunk, page, model, Deadline(asked_at, asked_at + budget_s))
            asked_at = time.monotonic()

    def _recommend_chunk(
        self, user_ids: Sequence[str], page: Page, model: CollaborativeModel, deadline: Deadline
    ) -> Iterator[UserRecommendations]:
        index = self._catalogue.current(deadline.share(_INDEX_SHARE))
        with stage(SERVICE):
            evidence = self._gather(user_ids, index, model, deadline)
            try:
                pages, media = self._fetch_pages(user_ids, page, index, evidence, deadline)
                failed = evidence.failed
            except DatabaseUnavailableError as exc:
                pages, media = self._recall_pages(user_ids, page, index, evidence)
                failed = evidence.failed | {exc.database}
        degraded = tuple(name for name in DatabaseName if name in failed)
        for ranked in pages:
            yield UserRecommendations(
                user_id=ranked.user_id,
                items=tuple(_recommendations(ranked, index, media)),
                strategy=ranked.strategy,
                degraded=degraded,
                model=model.name,
                model_version=model.version,
            )

    def _gather(
        self, user_ids: Sequence[str], index: CatalogueIndex, model: CollaborativeModel, deadline: Deadline
    ) -> _Evidence:
        """Ask user_db and engagement_db; what one of them cannot give in time is empty."""
        failed: set[DatabaseName] = set()
        preferences: Mapping[str, Sequence[str]] = {}
        histories: Mapping[str, History] = {}
        candidates: Mapping[str, Candidates] = {}
        start = window_start(self._window_days)
        try:
            preferences = self._user_db.fetch_genre_preferences(user_ids, deadline.share(_USER_DB_SHARE))
        except DatabaseUnavailableError as exc:
            failed.add(exc.database)
        try:
            until = deadline.share(_ENGAGEMENT_DB_SHARE)
            histories = self._engagement_db.fetch_histories(user_ids, start, until)
            if not index.popularity.known:
                # Without idf every user would seem to be like nobody: rather say that this is missing.
                raise DatabaseUnavailableError(DatabaseName.ENGAGEMENT)
            candidates = model.find_candidates(histories, index, start, until)
        except DatabaseUnavailableError as exc:
            failed.add(exc.database)
        return _Evidence(preferences, histories, candidates, frozenset(failed))

    def _fetch_pages(
        self,
        user_ids: Sequence[str],
        page: Page,
        index: CatalogueIndex,
        evidence: _Evidence,
        deadline: Deadline,
    ) -> tuple[list[_RankedPage], Mapping[str, Media]]:
        """Rank, and read the details of what is on the pages.

        Media deleted since the index was loaded show as missing details. They are left out from then on, and
        the pages filled from what ranks next; that is read with something to spare, as more may be gone.
        """
        scope = self._existing(index)
        pages = self._rank(user_ids, page, index, evidence, scope)
        wanted = _media_on(pages, index)
        media = self._fetch_media(wanted, index, deadline)
        if len(media) == len(wanted):
            return pages, media
        spare = Page(page.limit + _SPARE_MEDIA, page.offset)
        reserve = self._rank(user_ids, spare, index, evidence, self._existing(index))
        more = [media_id for media_id in _media_on(reserve, index) if media_id not in media]
        media = {**media, **self._fetch_media(more, index, deadline)}
        return self._rank(user_ids, page, index, evidence, self._existing(index)), media

    def _existing(self, index: CatalogueIndex) -> _Scope:
        existing = ~index.mark(list(self._catalogue.gone_since(index)))
        return _Scope(existing=existing, showable=existing)

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

    def _recall_pages(
        self, user_ids: Sequence[str], page: Page, index: CatalogueIndex, evidence: _Evidence
    ) -> tuple[list[_RankedPage], Mapping[str, Media]]:
        """Rank the media whose details are cached: catalog_db cannot be asked.

        Raises:
            NothingToRecommendFromError: no details are cached.
        """
        media = self._media_cache.snapshot()
        scope = _Scope(existing=self._existing(index).existing, showable=index.mark(list(media)))
        if not scope.showable.any():
            raise NothingToRecommendFromError
        return self._rank(user_ids, page, index, evidence, scope), media

    def _rank(
        self,
        user_ids: Sequence[str],
        page: Page,
        index: CatalogueIndex,
        evidence: _Evidence,
        scope: _Scope,
    ) -> list[_RankedPage]:
        return [self._rank_user(user_id, page, index, evidence, scope) for user_id in user_ids]

    def _rank_user(
        self, user_id: str, page: Page, index: CatalogueIndex, evidence: _Evidence, scope: _Scope
    ) -> _RankedPage:
        genres = tuple(distinct_genres(evidence.preferences.get(user_id)))
        candidates = evidence.candidates.get(user_id, NO_CANDIDATES)
        history = evidence.histories.get(user_id, History())
        eligible = scope.existing & ~index.mark(history.seen_ids)
        content = content_scores(index.genre_masks, index.genre_mask(genres), len(genres))
        collaborative = collaborative_scores(
            candidates.media_idx,
            candidates.similar_user_counts,
            candidates.total_values,
            eligible,
        )
        scores = recommendation_scores(
            content, collaborative, self._weights.content, self._weights.collaborative
        )
        page_idx = rank_page(scores, eligible & scope.showable, page.limit, page.offset)
        return _RankedPage(
            user_id=user_id,
            media_idx=page_idx,
            recommendation=scores[page_idx],
            content=content[page_idx],
            collaborative=collaborative[page_idx],
            strategy=_strategy(
                has_content=bool((eligible & (content > 0.0)).any()),
                has_collaborative=bool(collaborative.any()),
            ),
        )


def _strategy(*, has_content: bool, has_collaborative: bool) -> Strategy:
    """What the ranking rests on: the kinds of score that are above 0 anywhere in it."""
    if has_content and has_collaborative:
        return Strategy.HYBRID
    if has_content:
        return Strategy.CONTENT
    if has_collaborative:
        return Strategy.COLLABORATIVE
    return Strategy.POPULAR


def _media_on(pages: Iterable[_RankedPage], index: CatalogueIndex) -> list[str]:
    """The distinct ids of the media on some pages."""
    positions = {int(media_idx) for ranked in pages for media_idx in ranked.media_idx}
    return [index.media_ids[media_idx] for media_idx in sorted(positions)]


def _recommendations(
    ranked: _RankedPage, index: CatalogueIndex, media: Mapping[str, Media]
) -> Iterator[Recommendation]:
    for place, media_idx in enumerate(ranked.media_idx):
        details = media.get(index.media_ids[media_idx])
        if details is not None:
            yield Recommendation(
                media=details,
                recommendation_score=float(ranked.recommendation[place]),
                content_score=float(ranked.content[place]),
                collaborative_score=float(ranked.collaborative[place]),
            )
