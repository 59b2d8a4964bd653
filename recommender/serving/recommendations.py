"""The one path from users to recommendations: context, score, blend, select, hydrate.

A single user is a batch of one. Each step takes what the one before gives; what a database cannot give in
time is left out, and named in the answer.
"""

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.catalogue.index import CatalogueIndex, window_start
from recommender.catalogue.refresh import CatalogueRefresher
from recommender.clock import PRESENT, Clock
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.user_db import UserDatabase
from recommender.deadline import ENGAGEMENT_DB_SHARE, INDEX_SHARE, USER_DB_SHARE, Deadline
from recommender.domains.base import Verbs
from recommender.entities import (
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
)
from recommender.errors import DatabaseUnavailableError
from recommender.models.base import (
    NO_SCORES,
    Choice,
    ItemScores,
    ModelSelector,
    ModelSource,
    Scorer,
    Scores,
    UserContext,
    Window,
)
from recommender.names import distinct_names
from recommender.serving.explanations import PageExplainer
from recommender.serving.failures import Failures
from recommender.serving.hydration import Hydration, Hydrator
from recommender.serving.ranker import RankedPage, Ranker
from recommender.telemetry import SERVICE, stage

logger = logging.getLogger(__name__)

CHUNK_USERS = 100
# A chunk may take the time budget once more for each so many further users.
_USERS_A_BUDGET = 25


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked for, for all users alike, and which models answer."""

    page: Page
    options: Options
    window_days: int
    models: ModelSelector
    verbs: Verbs


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Up to `CHUNK_USERS` users' part of a request: what it is answered from, and until when.

    The window is that of the moment: a long list of users outlives several catalog indexes, whose counts are
    of windows that move on.
    """

    request: _Request
    window: Window
    index: CatalogueIndex
    deadline: Deadline
    failures: Failures


class RecommendationService:
    """Recommends items to users, in a number of statements that does not depend on how many they are."""

    def __init__(
        self,
        *,
        user_db: UserDatabase,
        engagement_db: EngagementDatabase,
        models: ModelSource,
        catalogue: CatalogueRefresher,
        hydrator: Hydrator,
        window_days: int,
        time_budget_s: float,
        verbs: Verbs,
        clock: Clock = PRESENT,
    ) -> None:
        self._user_db = user_db
        self._engagement_db = engagement_db
        self._models = models
        self._catalogue = catalogue
        self._hydrator = hydrator
        self._window_days = window_days
        self._time_budget_s = time_budget_s
        self._verbs = verbs
        self._clock = clock

    def recommend(
        self, user_ids: Iterable[str], page: Page, options: Options = DEFAULT_OPTIONS
    ) -> Iterator[UserRecommendations]:
        """A page for each distinct user, in the order of the ids.

        At most 8 statements per 100 users, and two more for each live search that was given up. Works on 100
        users at a time, when their results are asked for; one model answers for all.

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
        request = self._request(page, options)
        chunk = self._chunk(request, 1, asked_at)
        liked = taste.liked_ids
        user = UserContext(
            NEWCOMER,
            distinct_names(taste.genres),
            History(liked, liked, [1] * len(liked), [True] * len(liked)),
            chunk.window,
        )
        unknown = chunk.index.locate(liked) < 0
        with stage(SERVICE):
            (result,) = self._recommend_to([user], chunk)
        return Preview(result, tuple(itertools.compress(liked, unknown)))

    def _recommend_chunks(
        self, user_ids: Iterator[str], page: Page, options: Options, asked_at: float
    ) -> Iterator[Sequence[UserRecommendations]]:
        request = self._request(page, options)
        while chunk_ids := list(itertools.islice(user_ids, CHUNK_USERS)):
            chunk = self._chunk(request, len(chunk_ids), asked_at)
            with stage(SERVICE):
                answers = self._recommend_to(self._read_contexts(chunk_ids, chunk), chunk)
            yield answers
            asked_at = time.monotonic()

    def _request(self, page: Page, options: Options) -> _Request:
        days = self._window_days if options.window_days is None else options.window_days
        return _Request(
            page=page,
            options=options,
            window_days=days,
            models=self._models.selection(),
            verbs=self._verbs,
        )

    def _chunk(self, request: _Request, users: int, asked_at: float) -> _Chunk:
        """Begin to answer; waits for the first catalog index, if there is none yet."""
        budget_s = self._time_budget_s * (1 + (users - 1) / _USERS_A_BUDGET)
        deadline = Deadline(asked_at, asked_at + budget_s)
        index = self._catalogue.current(deadline.share(INDEX_SHARE), request.options.index_version)
        window = Window(request.window_days, window_start(request.window_days, self._clock.now()))
        return _Chunk(request, window, index, deadline, Failures())

    def _read_contexts(self, user_ids: Sequence[str], chunk: _Chunk) -> list[UserContext]:
        """Read what is known of users: two statements."""
        window, deadline = chunk.window, chunk.deadline
        preferences: Mapping[str, Sequence[str]] = {}
        histories: Mapping[str, History] = {}
        with chunk.failures:
            preferences = self._user_db.fetch_genre_preferences(user_ids, deadline.share(USER_DB_SHARE))
        with chunk.failures:
            until = deadline.share(ENGAGEMENT_DB_SHARE)
            histories = self._engagement_db.fetch_histories(user_ids, window.start, until)
        return [
            UserContext(
                user_id,
                distinct_names(preferences.get(user_id)),
                histories.get(user_id, _NO_HISTORY),
                window,
            )
            for user_id in user_ids
        ]

    def _recommend_to(self, users: Sequence[UserContext], chunk: _Chunk) -> list[UserRecommendations]:
        """Score, rank and hydrate: again, as long as what was ranked turns out to be deleted."""
        request, index = chunk.request, chunk.index
        scored = _score(users, chunk)
        ranker = Ranker(index, request.options)
        hydration = self._hydrator.begin(index, request.page, chunk.deadline, chunk.failures)
        complete = False
        while not complete:
            pages = [
                ranker.rank(user, choice, scores, hydration.scope, hydration.page)
                for user, (choice, scores) in zip(users, scored, strict=True)
            ]
            complete = hydration.read(np.concatenate([page.shown_idx for page in pages]))
        return [
            _answer(page, choice.scorer, hydration, chunk)
            for page, (choice, _) in zip(pages, scored, strict=True)
        ]


_NO_HISTORY = History()


def _choose(user: UserContext, request: _Request) -> Choice:
    """Return how a user's items are ranked; the weights that are asked for come before those of the model."""
    choice = request.models.select(user)
    weights = request.options.weights
    return choice if weights is None else replace(choice, blend=replace(choice.blend, weights=weights))


def _score(users: Sequence[UserContext], chunk: _Chunk) -> list[tuple[Choice, ItemScores]]:
    """Return each user's model and scores; none where engagement_db cannot give what the model needs."""
    choices = [_choose(user, chunk.request) for user in users]
    scores = [NO_SCORES] * len(users)
    if not chunk.index.popularity.known:
        # Without popularity idf is 0, and no user would be similar.
        chunk.failures.add(DatabaseName.ENGAGEMENT)
        return list(zip(choices, scores, strict=True))
    for scorer in {id(choice.scorer): choice.scorer for choice in choices}.values():
        own = [n for n, choice in enumerate(choices) if choice.scorer is scorer]
        with chunk.failures:
            used, found = _score_by(scorer, [users[n] for n in own], chunk)
            for n, own_scores in zip(own, found, strict=True):
                choices[n], scores[n] = replace(choices[n], scorer=used), own_scores
                if own_scores.missing is not None:
                    chunk.failures.add(own_scores.missing)
    return list(zip(choices, scores, strict=True))


def _score_by(scorer: Scorer, users: Sequence[UserContext], chunk: _Chunk) -> tuple[Scorer, Scores]:
    """Return scores, and the model they are by: the fallback where the one selected has a fault.

    Raises:
        DatabaseUnavailableError: a database the model reads did not answer.
    """
    until = chunk.deadline.share(ENGAGEMENT_DB_SHARE)
    fallback = chunk.request.models.fallback
    try:
        return scorer, scorer.score(users, chunk.index, until)
    except DatabaseUnavailableError:
        raise
    except Exception:
        if scorer is fallback:
            raise
        logger.exception("model %s %s failed, %s answers", scorer.name, scorer.version, fallback.name)
        return fallback, fallback.score(users, chunk.index, until)


def _answer(page: RankedPage, scorer: Scorer, hydration: Hydration, chunk: _Chunk) -> UserRecommendations:
    explainer = None
    if page.explanation is not None:
        explainer = PageExplainer(
            page,
            page.explanation,
            hydration.media,
            index=chunk.index,
            verbs=chunk.request.verbs,
        )
    return UserRecommendations(
        user_id=page.user.user_id,
        items=tuple(_recommendations(page, explainer, hydration.media, chunk.index)),
        strategy=page.strategy,
        degraded=chunk.failures.names,
        model=scorer.name,
        model_version=scorer.version,
        index_version=chunk.index.version,
        basis=None if explainer is None else explainer.basis(),
    )


def _recommendations(
    page: RankedPage, explainer: PageExplainer | None, media: Mapping[str, Media], index: CatalogueIndex
) -> Iterator[Recommendation]:
    for rank, item_idx in enumerate(page.item_idx):
        details = media.get(index.media_ids[item_idx])
        if details is not None:
            yield Recommendation(
                media=details,
                recommendation_score=float(page.recommendation[rank]),
                content_score=float(page.content[rank]),
                collaborative_score=float(page.collaborative[rank]),
                explanation=None if explainer is None else explainer.explain(rank, details),
            )
