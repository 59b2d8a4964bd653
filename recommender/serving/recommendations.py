"""The one path from users to recommendations, and what remains of it when databases fail."""

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from recommender.catalogue.index import CatalogueIndex, window_start
from recommender.catalogue.refresh import CatalogueRefresher
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.user_db import UserDatabase
from recommender.deadline import ENGAGEMENT_DB_SHARE, INDEX_SHARE, USER_DB_SHARE, Deadline
from recommender.domain import (
    DEFAULT_OPTIONS,
    NEWCOMER,
    DatabaseName,
    History,
    Media,
    Options,
    Page,
    Preview,
    Recommendation,
    Taste,
    UserRecommendations,
    Weights,
    in_order,
)
from recommender.errors import DatabaseUnavailableError
from recommender.models.base import Candidates, CollaborativeModel, ModelSource
from recommender.serving.explanations import Explainer, basis_of
from recommender.serving.page_filling import PageFiller
from recommender.serving.user_ranking import Evidence, UserPage, UserRanker
from recommender.telemetry import SERVICE, stage

CHUNK_USERS = 100
# A chunk may take the time budget once more for each so many further users.
_USERS_A_BUDGET = 25


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What is asked for some users at a time, with what, and until when."""

    user_ids: Sequence[str]
    page: Page
    options: Options
    weights: Weights
    window_days: int
    window_start: str
    index: CatalogueIndex
    model: CollaborativeModel
    deadline: Deadline


class RecommendationService:
    """Recommends media to users, in a number of statements that does not depend on how many they are."""

    def __init__(
        self,
        *,
        user_db: UserDatabase,
        engagement_db: EngagementDatabase,
        models: ModelSource,
        catalogue: CatalogueRefresher,
        pages: PageFiller,
        weights: Weights,
        window_days: int,
        time_budget_s: float,
    ) -> None:
        self._user_db = user_db
        self._engagement_db = engagement_db
        self._models = models
        self._catalogue = catalogue
        self._pages = pages
        self._weights = weights
        self._window_days = window_days
        self._time_budget_s = time_budget_s

    def recommend(
        self, user_ids: Iterable[str], page: Page, options: Options = DEFAULT_OPTIONS
    ) -> Iterator[UserRecommendations]:
        """A page for each distinct user, in the order of the ids; at most 7 statements per 100 users.

        Works on 100 users at a time, when their results are asked for; one model answers for all.

        Raises:
            NothingToRecommendFromError: catalog_db does not answer, and nothing fitting is cached.
        """
        return itertools.chain.from_iterable(self.recommend_in_chunks(user_ids, page, options))

    def recommend_in_chunks(
        self, user_ids: Iterable[str], page: Page, options: Options = DEFAULT_OPTIONS
    ) -> Iterator[Sequence[UserRecommendations]]:
        """The same, 100 users at a time: all of them are worked on when a chunk is asked for.

        Raises:
            NothingToRecommendFromError: as `recommend`.
        """
        # No generator itself: the time budget runs from now, not from when results are asked for.
        return self._recommend_chunks(iter(dict.fromkeys(user_ids)), page, options, time.monotonic())

    def preview(
        self,
        taste: Taste,
        page: Page,
        options: Options = DEFAULT_OPTIONS,
        *,
        asked_at: float | None = None,
    ) -> Preview:
        """A page for somebody without an account; the time budget runs from `asked_at`, or else from now.

        Raises:
            NothingToRecommendFromError: catalog_db does not answer, and nothing fitting is cached.
        """
        asked_at = time.monotonic() if asked_at is None else asked_at
        chunk = self._chunk([NEWCOMER], page, options, self._model_for(options), asked_at)
        known_idx = chunk.index.locate(taste.liked_ids)
        unknown_ids = tuple(
            media_id for media_id, media_idx in zip(taste.liked_ids, known_idx, strict=True) if media_idx < 0
        )
        liked = taste.liked_ids
        histories = {NEWCOMER: History(liked, liked, [1] * len(liked), [True] * len(liked))}
        with stage(SERVICE):
            candidates, failed = self._find_candidates(chunk, histories)
            evidence = Evidence({NEWCOMER: taste.genres}, histories, candidates, failed)
            (result,) = self._answer(chunk, evidence)
        return Preview(result, unknown_ids)

    def _recommend_chunks(
        self, user_ids: Iterator[str], page: Page, options: Options, asked_at: float
    ) -> Iterator[Sequence[UserRecommendations]]:
        model = self._model_for(options)
        while chunk_ids := list(itertools.islice(user_ids, CHUNK_USERS)):
            chunk = self._chunk(chunk_ids, page, options, model, asked_at)
            with stage(SERVICE):
                answers = self._answer(chunk, self._gather(chunk))
            yield answers
            asked_at = time.monotonic()

    def _model_for(self, options: Options) -> CollaborativeModel:
        """The model in use, unless another window is asked for than the one it was built with."""
        is_other = options.window_days not in (None, self._window_days)
        return self._models.live if is_other else self._models.current()

    def _chunk(
        self,
        user_ids: Sequence[str],
        page: Page,
        options: Options,
        model: CollaborativeModel,
        asked_at: float,
    ) -> _Chunk:
        """Waits for the first catalogue index, if there is none yet."""
        budget_s = self._time_budget_s * (1 + (len(user_ids) - 1) / _USERS_A_BUDGET)
        deadline = Deadline(asked_at, asked_at + budget_s)
        window_days = self._window_days if options.window_days is None else options.window_days
        return _Chunk(
            user_ids=user_ids,
            page=page,
            options=options,
            weights=options.weights or self._weights,
            window_days=window_days,
            window_start=window_start(window_days),
            index=self._catalogue.current(deadline.share(INDEX_SHARE), options.index_version),
            model=model,
            deadline=deadline,
        )

    def _gather(self, chunk: _Chunk) -> Evidence:
        """Ask user_db and engagement_db; what one of them cannot give in time is empty."""
        failed: frozenset[DatabaseName] = frozenset()
        preferences: Mapping[str, Sequence[str]] = {}
        histories: Mapping[str, History] = {}
        candidates: Mapping[str, Candidates] = {}
        try:
            until = chunk.deadline.share(USER_DB_SHARE)
            preferences = self._user_db.fetch_genre_preferences(chunk.user_ids, until)
        except DatabaseUnavailableError as exc:
            failed |= {exc.database}
        try:
            until = chunk.deadline.share(ENGAGEMENT_DB_SHARE)
            histories = self._engagement_db.fetch_histories(chunk.user_ids, chunk.window_start, until)
        except DatabaseUnavailableError as exc:
            failed |= {exc.database}
        else:
            candidates, missing = self._find_candidates(chunk, histories)
            failed |= missing
        return Evidence(preferences, histories, candidates, failed)

    def _find_candidates(
        self, chunk: _Chunk, histories: Mapping[str, History]
    ) -> tuple[Mapping[str, Candidates], frozenset[DatabaseName]]:
        """Candidates by user; none where engagement_db cannot say, which then is named."""
        if not chunk.index.popularity.known:
            # Without idf every user would seem to be like nobody: rather say that this is missing.
            return {}, frozenset({DatabaseName.ENGAGEMENT})
        try:
            until = chunk.deadline.share(ENGAGEMENT_DB_SHARE)
            found = chunk.model.find_candidates(histories, chunk.index, chunk.window_start, until)
        except DatabaseUnavailableError as exc:
            return {}, frozenset({exc.database})
        return found, frozenset()

    def _answer(self, chunk: _Chunk, evidence: Evidence) -> list[UserRecommendations]:
        """Rank, and put details to what is on the pages."""
        rank = UserRanker(chunk.user_ids, chunk.index, evidence, chunk.weights, chunk.options)
        filled = self._pages.fill(rank, chunk.page, chunk.index, chunk.deadline)
        failed = evidence.failed | filled.failed
        degraded = in_order(failed)
        return [
            UserRecommendations(
                user_id=ranked.user_id,
                items=tuple(_recommendations(ranked, filled.media, chunk.index)),
                strategy=ranked.strategy,
                degraded=degraded,
                model=chunk.model.name,
                model_version=chunk.model.version,
                index_version=chunk.index.version,
                basis=None if ranked.grounds is None else basis_of(ranked.grounds, chunk.window_days),
            )
            for ranked in filled.pages
        ]


def _recommendations(
    ranked: UserPage, media: Mapping[str, Media], index: CatalogueIndex
) -> Iterator[Recommendation]:
    explainer = None if ranked.grounds is None else Explainer(ranked, ranked.grounds, media, index)
    for place, media_idx in enumerate(ranked.media_idx):
        details = media.get(index.media_ids[media_idx])
        if details is not None:
            yield Recommendation(
                media=details,
                recommendation_score=float(ranked.recommendation[place]),
                content_score=float(ranked.content[place]),
                collaborative_score=float(ranked.collaborative[place]),
                explanation=None if explainer is None else explainer.explain(place, details),
            )
