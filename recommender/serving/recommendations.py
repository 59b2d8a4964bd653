"""The path from users to recommendations: context, score, blend, select, hydrate.

A single user is a batch of one. Data that a database does not return in time are left out, and the answer
names the database.
"""

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from recommender.deadline import ENGAGEMENT_DB_SHARE
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
)
from recommender.errors import DatabaseUnavailableError
from recommender.experiments.selection import ExperimentModels
from recommender.experiments.tokens import TokenSigner
from recommender.models.base import (
    NO_SCORES,
    Choice,
    ModelSource,
    Scorer,
    Scores,
    UserContext,
    Window,
)
from recommender.observability.telemetry import SERVICE_STAGE, add_seconds, stage
from recommender.serving.chunks import Chunk, ChunkReader, ReadChunk, Request
from recommender.serving.drafts import Scored, list_for
from recommender.serving.hydration import Hydrator
from recommender.serving.ranker import Ranker
from recommender.serving.results import ResultContext, result_of
from recommender.texts.names import distinct_names

logger = logging.getLogger(__name__)


class RecommendationService:
    """Recommends items to users, with a number of statements that is fixed for each 100 users."""

    def __init__(
        self,
        *,
        reader: ChunkReader,
        models: ModelSource,
        hydrator: Hydrator,
        window_days: int,
        verbs: Verbs,
        experiments: ExperimentModels | None = None,
        signer: TokenSigner | None = None,
    ) -> None:
        """Keep the parts to recommend with.

        Args:
            reader: reads the users.
            models: score outside of experiments.
            hydrator: reads the details of items.
            window_days: age up to which interactions count; 0 is all time.
            verbs: for explanations.
            experiments: the models of experiments, if there are any.
            signer: signs the tokens of interleaved lists; required for interleaving.
        """
        self._reader = reader
        self._models = models
        self._hydrator = hydrator
        self._window_days = window_days
        self._verbs = verbs
        self._experiments = experiments
        self._signer = signer

    def recommend(
        self, user_ids: Iterable[str], page: Page, options: Options = DEFAULT_OPTIONS
    ) -> Iterator[UserRecommendations]:
        """Yield a page for each distinct user, in the order of the ids.

        Runs at most 9 statements per 100 users, and three more for each live search that was given up. Each
        window that an experiment sets adds one, and those of its model. Computes 100 users at a time, when
        their results are consumed, and reads the next meanwhile: consume them without a pause. One model
        answers for all, or one for each variant of an experiment.

        Raises:
            NothingToRecommendFromError: catalog_db does not answer, and nothing fitting is cached.
        """
        # Not a generator itself, so that the time budget begins now, not at the first result.
        ids, request = iter(dict.fromkeys(user_ids)), self._request(page, options)
        chunks = self._reader.read_ahead(ids, request, time.monotonic())
        return itertools.chain.from_iterable(self._recommend_chunks(chunks))

    def recommend_in_chunks(
        self, user_ids: Iterable[str], page: Page, options: Options = DEFAULT_OPTIONS
    ) -> Iterator[Sequence[UserRecommendations]]:
        """Yield the same in chunks of 100 users, each read and computed when it is consumed.

        Raises:
            NothingToRecommendFromError: as `recommend`.
        """
        ids, request = iter(dict.fromkeys(user_ids)), self._request(page, options)
        return self._recommend_chunks(self._reader.read(ids, request, time.monotonic()))

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
        chunk = self._reader.begin(request, 1, asked_at)
        liked = profile.liked_ids
        user = UserContext.located(
            ANONYMOUS_USER_ID,
            distinct_names(profile.genres),
            History(liked, liked, [1] * len(liked), [True] * len(liked)),
            chunk.window_of(ANONYMOUS_USER_ID),
            chunk.index,
        )
        unknown = chunk.index.locate(liked) < 0
        with stage(SERVICE_STAGE):
            (result,) = self._recommend_to([user], chunk)
        return Preview(result, tuple(itertools.compress(liked, unknown)))

    def _recommend_chunks(self, chunks: Iterator[ReadChunk]) -> Iterator[Sequence[UserRecommendations]]:
        for read in chunks:
            add_seconds(SERVICE_STAGE, read.seconds)
            with stage(SERVICE_STAGE):
                answers = self._recommend_to(read.users, read.chunk)
            yield answers

    def _request(self, page: Page, options: Options) -> Request:
        days = self._window_days if options.window_days is None else options.window_days
        experiments = None if self._experiments is None else self._experiments.selection(options)
        return Request(
            page=page,
            options=options,
            window_days=days,
            models=self._models.selection() if experiments is None else experiments,
            experiments=experiments,
            verbs=self._verbs,
        )

    def _recommend_to(self, users: Sequence[UserContext], chunk: Chunk) -> list[UserRecommendations]:
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
        return [
            result_of(each, [ranked.choice for ranked in own], context)
            for each, own in zip(lists, scored, strict=True)
        ]


def _choose(user: UserContext, request: Request) -> Choice:
    """Return how to rank a user's items. Requested weights take precedence over the model's."""
    choice = request.models.select(user)
    weights = request.options.weights
    return choice if weights is None else choice.with_weights(weights)


def _score(users: Sequence[UserContext], chunk: Chunk) -> list[list[Scored]]:
    """Return each user's models and scores; no scores if engagement_db does not answer for the model.

    Each user has one model, and a second one in an interleaving experiment.
    """
    asked = [
        (user_idx, user, choice)
        for user_idx, user in enumerate(users)
        for choice in _with_second(_choose(user, chunk.request))
    ]
    scored = [Scored(choice, NO_SCORES) for _, _, choice in asked]
    # Live SQL reads one window at a time.
    groups: dict[tuple[int, Window], list[int]] = {}
    for idx, (_, user, choice) in enumerate(asked):
        groups.setdefault((id(choice.scorer), user.window), []).append(idx)
    for group in groups.values():
        with chunk.failures:
            scorer = asked[group[0]][2].scorer
            used, found = _score_by(scorer, [asked[idx][1] for idx in group], chunk)
            for idx, scores in zip(group, found, strict=True):
                scored[idx] = Scored(replace(asked[idx][2], scorer=used), scores)
                if scores.missing is not None:
                    chunk.failures.add(scores.missing)
    if not chunk.index.popularity.known:
        # Ties and fill-ups are not in their order.
        chunk.failures.add(DatabaseName.ENGAGEMENT)
    by_user: list[list[Scored]] = [[] for _ in users]
    for (user_idx, _, _), each in zip(asked, scored, strict=True):
        by_user[user_idx].append(each)
    return by_user


def _with_second(choice: Choice) -> tuple[Choice, ...]:
    return (choice,) if choice.draft is None else (choice, choice.draft.second)


def _score_by(scorer: Scorer, users: Sequence[UserContext], chunk: Chunk) -> tuple[Scorer, Scores]:
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
    except Exception as exc:
        if scorer is fallback:
            raise
        # Each request may fail in the same way.
        subject = (scorer.name, str(scorer.version), type(exc).__name__)
        logger.exception(
            "model %s %s failed, %s answers",
            scorer.name,
            scorer.version,
            fallback.name,
            extra={"subject": subject},
        )
        return fallback, fallback.score(users, chunk.index, until)
