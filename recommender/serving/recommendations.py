"""The path from users to recommendations: context, score, blend, select, hydrate.

A single user is a batch of one. Data that a database does not return in time are left out, and the answer
names the database.
"""

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from recommender.catalog.index import CatalogIndex, window_start
from recommender.catalog.refresh import CatalogRefresher
from recommender.clock import PRESENT, Clock
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.user_db import UserDatabase
from recommender.deadline import ENGAGEMENT_DB_SHARE, INDEX_SHARE, USER_DB_SHARE, Deadline
from recommender.domains.base import Verbs
from recommender.entities import (
    ANONYMOUS_USER_ID,
    DEFAULT_OPTIONS,
    AnonymousProfile,
    DatabaseName,
    History,
    Options,
    Page,
    Preview,
    UserRecommendations,
    Weights,
)
from recommender.errors import DatabaseUnavailableError
from recommender.experiments.selection import ExperimentModels, ExperimentSelection
from recommender.experiments.tokens import TokenSigner
from recommender.models.base import (
    NO_SCORES,
    Choice,
    ModelSelector,
    ModelSource,
    Scorer,
    Scores,
    UserContext,
    Window,
)
from recommender.names import distinct_names
from recommender.serving.drafts import Scored, list_for
from recommender.serving.failures import Failures
from recommender.serving.hydration import Hydrator
from recommender.serving.ranker import Ranker
from recommender.serving.results import ResultContext, result_of
from recommender.telemetry import SERVICE, stage

logger = logging.getLogger(__name__)

CHUNK_USERS = 100
# A chunk gets the time budget once more for each further 25 users.
_USERS_A_BUDGET = 25


@dataclass(frozen=True, slots=True)
class _Request:
    """The parameters and models of a request, the same for all its users."""

    page: Page
    options: Options
    window_days: int
    models: ModelSelector
    experiments: ExperimentSelection | None
    verbs: Verbs


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Index, deadline and failures for up to `CHUNK_USERS` users of a request.

    Windows end at `now`: a long list of users outlives several catalog indexes, whose windows move.
    """

    request: _Request
    now: datetime
    index: CatalogIndex
    deadline: Deadline
    failures: Failures

    def window_of(self, user_id: str) -> Window:
        """Return the window of a user: the requested one, unless an experiment sets another."""
        request, days = self.request, None
        if request.experiments is not None:
            days = request.experiments.window_days(user_id)
        days = request.window_days if days is None else days
        return Window(days, window_start(days, self.now))


class RecommendationService:
    """Recommends items to users, with a number of statements that is fixed for each 100 users."""

    def __init__(
        self,
        *,
        user_db: UserDatabase,
        engagement_db: EngagementDatabase,
        models: ModelSource,
        catalog: CatalogRefresher,
        hydrator: Hydrator,
        window_days: int,
        time_budget_s: float,
        verbs: Verbs,
        clock: Clock = PRESENT,
        experiments: ExperimentModels | None = None,
        signer: TokenSigner | None = None,
    ) -> None:
        """Keep the parts to recommend with.

        Args:
            user_db, engagement_db, catalog, hydrator: sources of data.
            models: score outside of experiments.
            window_days: age up to which interactions count; 0 is all time.
            time_budget_s: total time that a request for one user may wait for databases.
            verbs: for explanations.
            clock: gives the present.
            experiments: the models of experiments, if there are any.
            signer: signs the tokens of interleaved lists; required for interleaving.
        """
        self._user_db = user_db
        self._engagement_db = engagement_db
        self._models = models
        self._catalog = catalog
        self._hydrator = hydrator
        self._window_days = window_days
        self._time_budget_s = time_budget_s
        self._verbs = verbs
        self._clock = clock
        self._experiments = experiments
        self._signer = signer

    def recommend(
        self, user_ids: Iterable[str], page: Page, options: Options = DEFAULT_OPTIONS
    ) -> Iterator[UserRecommendations]:
        """Yield a page for each distinct user, in the order of the ids.

        Runs at most 9 statements per 100 users, and three more for each live search that was given up. Each
        window of an experiment takes one more, and those of its model. Computes 100 users at a time, when
        their results are consumed. One model answers for all, or one for each variant of an experiment.

        Raises:
            NothingToRecommendFromError: catalog_db does not answer, and nothing fitting is cached.
        """
        return itertools.chain.from_iterable(self.recommend_in_chunks(user_ids, page, options))

    def recommend_in_chunks(
        self, user_ids: Iterable[str], page: Page, options: Options = DEFAULT_OPTIONS
    ) -> Iterator[Sequence[UserRecommendations]]:
        """Yield the same in chunks of 100 users, each computed when it is consumed.

        Raises:
            NothingToRecommendFromError: as `recommend`.
        """
        # Not a generator itself, so that the time budget begins now, not at the first result.
        return self._recommend_chunks(iter(dict.fromkeys(user_ids)), page, options, time.monotonic())

    def preview(
        self,
        profile: AnonymousProfile,
        page: Page,
        options: Options = DEFAULT_OPTIONS,
        *,
        asked_at: float | None = None,
    ) -> Preview:
        """Return a page for a person without an account. The time budget begins at `asked_at`, or now.

        Raises:
            NothingToRecommendFromError: catalog_db does not answer, and nothing fitting is cached.
        """
        asked_at = time.monotonic() if asked_at is None else asked_at
        request = self._request(page, options)
        chunk = self._chunk(request, 1, asked_at)
        liked = profile.liked_ids
        user = UserContext.located(
            ANONYMOUS_USER_ID,
            distinct_names(profile.genres),
            History(liked, liked, [1] * len(liked), [True] * len(liked)),
            chunk.window_of(ANONYMOUS_USER_ID),
            chunk.index,
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
        experiments = None if self._experiments is None else self._experiments.selection(options)
        return _Request(
            page=page,
            options=options,
            window_days=days,
            models=self._models.selection() if experiments is None else experiments,
            experiments=experiments,
            verbs=self._verbs,
        )

    def _chunk(self, request: _Request, users: int, asked_at: float) -> _Chunk:
        """Begin a chunk. Wait for the first catalog index, if none is loaded."""
        budget_s = self._time_budget_s * (1 + (users - 1) / _USERS_A_BUDGET)
        deadline = Deadline(asked_at, asked_at + budget_s)
        index = self._catalog.current(deadline.share(INDEX_SHARE), request.options.index_version)
        return _Chunk(request, self._clock.now(), index, deadline, Failures())

    def _read_contexts(self, user_ids: Sequence[str], chunk: _Chunk) -> list[UserContext]:
        """Read contexts: one statement of user_db, and meanwhile one of engagement_db per window."""
        deadline = chunk.deadline
        preferences: Mapping[str, Sequence[str]] = {}
        histories: dict[str, History] = {}
        windows = {user_id: chunk.window_of(user_id) for user_id in user_ids}
        until = deadline.share(USER_DB_SHARE)
        with self._user_db.sending_genre_preferences(user_ids, until) as receive_preferences:
            for window in dict.fromkeys(windows.values()):
                own = [user_id for user_id in user_ids if windows[user_id] == window]
                with chunk.failures:
                    until = deadline.share(ENGAGEMENT_DB_SHARE)
                    histories |= self._engagement_db.fetch_histories(own, window.start, until)
            with chunk.failures:
                preferences = receive_preferences()
        return [
            UserContext.located(
                user_id,
                distinct_names(preferences.get(user_id)),
                histories.get(user_id, _NO_HISTORY),
                windows[user_id],
                chunk.index,
            )
            for user_id in user_ids
        ]

    def _recommend_to(self, users: Sequence[UserContext], chunk: _Chunk) -> list[UserRecommendations]:
        """Score, rank and hydrate; repeat if ranked items turn out to be deleted."""
        request, index = chunk.request, chunk.index
        scored = _score(users, chunk)
        ranker = Ranker(index, request.options)
        hydration = self._hydrator.begin(index, request.page, chunk.deadline, chunk.failures)
        day = f"{chunk.now:%Y-%m-%d}"
        complete = False
        while not complete:
            lists = [
                list_for(ranker, user, own, scope=hydration.scope, page=hydration.page, day=day)
                for user, own in zip(users, scored, strict=True)
            ]
            complete = hydration.read(np.concatenate([each.shown_idx for each in lists]))
        context = ResultContext(
            index=index,
            details=hydration.details,
            degraded=chunk.failures.names,
            verbs=request.verbs,
            signer=self._signer,
            given_at=chunk.now,
            offset=request.page.offset,
        )
        return [result_of(each, own[0].choice, context) for each, own in zip(lists, scored, strict=True)]


_NO_HISTORY = History()


def _choose(user: UserContext, request: _Request) -> Choice:
    """Return how to rank a user's items. Requested weights take precedence over the model's."""
    choice = request.models.select(user)
    weights = request.options.weights
    return choice if weights is None else _with_weights(choice, weights)


def _with_weights(choice: Choice, weights: Weights) -> Choice:
    draft = choice.draft
    if draft is not None:
        draft = replace(draft, second=_with_weights(draft.second, weights))
    return replace(choice, blend=replace(choice.blend, weights=weights), draft=draft)


def _score(users: Sequence[UserContext], chunk: _Chunk) -> list[list[Scored]]:
    """Return each user's models and scores; none if engagement_db does not answer for the model.

    Each user has one model, and a second one in an interleaving experiment.
    """
    asked = [
        (n, user, choice)
        for n, user in enumerate(users)
        for choice in _and_second(_choose(user, chunk.request))
    ]
    scored = [Scored(choice, NO_SCORES) for _, _, choice in asked]
    if chunk.index.popularity.known:
        # Live SQL reads one window at a time.
        groups: dict[tuple[int, Window], list[int]] = {}
        for idx, (_, user, choice) in enumerate(asked):
            groups.setdefault((id(choice.scorer), user.window), []).append(idx)
        for own in groups.values():
            with chunk.failures:
                scorer = asked[own[0]][2].scorer
                used, found = _score_by(scorer, [asked[idx][1] for idx in own], chunk)
                for idx, scores in zip(own, found, strict=True):
                    scored[idx] = Scored(replace(asked[idx][2], scorer=used), scores)
                    if scores.missing is not None:
                        chunk.failures.add(scores.missing)
    else:
        # Without popularity idf is 0, and no user would be similar.
        chunk.failures.add(DatabaseName.ENGAGEMENT)
    by_user: list[list[Scored]] = [[] for _ in users]
    for (n, _, _), each in zip(asked, scored, strict=True):
        by_user[n].append(each)
    return by_user


def _and_second(choice: Choice) -> tuple[Choice, ...]:
    return (choice,) if choice.draft is None else (choice, choice.draft.second)


def _score_by(scorer: Scorer, users: Sequence[UserContext], chunk: _Chunk) -> tuple[Scorer, Scores]:
    """Return scores and the model that made them: the fallback if the selected one fails.

    Raises:
        DatabaseUnavailableError: a database that the model reads did not answer.
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
