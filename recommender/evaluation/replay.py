"""Replay a past moment with the code that serves requests, and score the answers by what followed.

Interactions at or after the moment are read only to learn what followed. Items and stated genres have no
history: they are those of today.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from config.settings import Settings, load_overridden
from config.temporary_folders import FolderPurpose, temporary_folder
from recommender.catalog.index import CatalogIndex, window_start
from recommender.container import Container, build_container, loaded
from recommender.data.dataset import Dataset, dataset_of
from recommender.data.forgotten import copy_forgotten, read_forgotten
from recommender.databases.engagement_db import EngagementDatabase, LaterPositives
from recommender.databases.patient import patient_database
from recommender.databases.queries import refuse_overlays_without
from recommender.entities import DEFAULT_LIMIT, DatabaseName, Page, Strategy
from recommender.errors import ReplayError
from recommender.evaluation.metrics import accuracy
from recommender.evaluation.ranking import is_personal
from recommender.models.fitting import UNBOUNDED, Fitting
from recommender.models.names import LIVE
from recommender.models.registry import MODELS
from recommender.system.clock import Clock
from recommender.training.train import train

# The name of the model among the overrides.
MODEL = "MODEL"
# The earliest moment that can be replayed.
_EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
# No caller waits: a shorter time budget would measure the speed of this machine.
_PATIENCE = 10


@dataclass(frozen=True, slots=True)
class ReplayedUser:
    """The recommendations of a user as of the moment, and what followed.

    `item_ids`: best first. `strategy`, `degraded`, `model`: as in the answer. `followed`: unseen items of
    the catalog that the user liked or watched from the moment on, earliest first. `is_new`: the user had no
    positive items in the window.
    """

    user_id: str
    item_ids: tuple[str, ...]
    strategy: Strategy
    degraded: tuple[DatabaseName, ...]
    model: str
    followed: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """The replay of a moment.

    `users`: the sampled users. `eligible_users`: how many users liked or watched a new item of the catalog.
    """

    as_of: datetime
    model: str
    users: Sequence[ReplayedUser]
    eligible_users: int


class ReplayScores(NamedTuple):
    """Means over users, and their number.

    `ndcg`, `hit_rate`: at rank k. `personalised`: the share of users ranked by more than popularity.
    `degraded`: how many answers lack a database.
    """

    users: int
    ndcg: float
    hit_rate: float
    personalised: float
    degraded: int


def replay_settings(assignments: Iterable[str]) -> tuple[Settings, str]:
    """Return the settings with overrides, and the name of the model to serve.

    Args:
        assignments: `NAME=VALUE` each, for a setting or MODEL: `live` (the default) or the name of a
            registered model.

    Raises:
        ReplayError: an assignment has another form, or names an unknown model.
        SettingsError: it names no setting, or its value is wrong.
    """
    overrides: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (name and equals):
            raise ReplayError(f"{assignment!r} is not of the form NAME=VALUE")
        overrides[name] = value
    model = overrides.pop(MODEL, LIVE)
    _refuse_unknown(model)
    return load_overridden(overrides), model


def _ignore(done: int, total: int) -> None:
    """Show nothing."""


def replay(
    settings: Settings,
    as_of: datetime,
    *,
    model: str = LIVE,
    users: int | None = None,
    limit: int = DEFAULT_LIMIT,
    fitting: Fitting = UNBOUNDED,
    show: Callable[[int, int], None] = _ignore,
) -> Replay:
    """Recommend as of a moment to the users who later liked or watched something unseen.

    Args:
        settings: of the service; published models are not used.
        as_of: the moment, naive for UTC.
        model: `live`, or the name of a model to train on the data before the moment.
        users: the size of the sample, which is the same each time; None for all.
        limit: how many items to recommend to each user.
        fitting: memory limit and progress report of training.
        show: called with the number of users done, and of all users.

    Raises:
        ReplayError: the moment is not in the past, or the model is unknown or rejected by the service.
        ConfigurationError: a statement under SQL_PATH does not support past moments.
        ArtifactError: there is nothing to train the model on.
        TrainingMemoryError: training would take more memory than `fitting` allows.
        DatabaseUnavailableError: engagement_db did not answer.
        NothingToRecommendFromError: catalog_db did not answer, or is empty.
    """
    _refuse_unknown(model)
    clock = Clock(as_of)
    if not _EPOCH <= clock.now() < datetime.now(UTC):
        raise ReplayError(f"{as_of.isoformat()} must be after 1970 and before now")
    refuse_overlays_without("known_until", DatabaseName.ENGAGEMENT, settings.databases.sql_path)
    with temporary_folder(FolderPurpose.REPLAY) as temporary:
        # The model holds the ids and histories of users. In the folder itself is the lock of this process.
        folder = temporary / "models"
        folder.mkdir()
        served = _served_settings(settings, folder, model)
        copy_forgotten(settings.models.model_path, folder)
        if model != LIVE:
            train(model, folder, lambda: _read_dataset(settings, clock), fitting=fitting)
        with loaded(build_container(served, as_of=as_of), served.databases) as container:
            _refuse_other_model(container, model)
            asked, eligible_users = _read_followed(settings, clock, container.catalog_index(), users)
            replayed = list(_recommended(container, asked, limit, show))
    return Replay(clock.now(), model, replayed, eligible_users)


def score(users: Sequence[ReplayedUser], k: int = DEFAULT_LIMIT) -> ReplayScores:
    """Return means over users for the first `k` items of each ranking; NaN without users."""
    count = len(users)
    hits = np.zeros((count, k), dtype=np.bool_)
    followed = [set(user.followed) for user in users]
    for row, (user, relevant) in enumerate(zip(users, followed, strict=True)):
        hits[row, : len(user.item_ids)] = [item_id in relevant for item_id in user.item_ids[:k]]
    found = accuracy(hits, np.array([len(each) for each in followed], dtype=np.int64), k)

    def mean(values: Iterable[float]) -> float:
        return sum(values) / count if count else math.nan

    return ReplayScores(
        users=count,
        ndcg=mean(found["ndcg"].tolist()),
        hit_rate=mean(found["hit_rate"].tolist()),
        personalised=mean(float(is_personal(user.strategy, user.model)) for user in users),
        degraded=sum(bool(user.degraded) for user in users),
    )


def _refuse_unknown(model: str) -> None:
    if model != LIVE and model not in MODELS:
        raise ReplayError(f"{MODEL}: {model} is not a model; use one of {', '.join([LIVE, *sorted(MODELS)])}")


def _served_settings(settings: Settings, model_path: Path, model: str) -> Settings:
    """Return settings that serve one model of a folder, with a long time budget."""
    budget_ms = _PATIENCE * settings.requests.time_budget_ms
    return settings.model_copy(
        update={
            "models": settings.models.model_copy(update={"model_path": model_path, "model": model}),
            "requests": settings.requests.model_copy(update={"time_budget_ms": budget_ms}),
        }
    )


def _read_followed(
    settings: Settings, clock: Clock, index: CatalogIndex, limit: int | None
) -> tuple[list[LaterPositives], int]:
    """Return what followed for a sample of users, drawn by hashes of ids, and the number of all users."""
    start = window_start(settings.ranking.interaction_window_days, clock.now())
    forgotten = read_forgotten(settings.models.model_path)
    eligible_users = 0

    def counted(users: Iterable[LaterPositives]) -> Iterator[LaterPositives]:
        nonlocal eligible_users
        for user in users:
            # No ranking can hold an item that is not in the catalog.
            item_ids = list(compress(user.item_ids, index.locate(user.item_ids) >= 0))
            if item_ids:
                eligible_users += 1
                yield user._replace(item_ids=item_ids)

    def rank(user: LaterPositives) -> tuple[bytes, str]:
        return blake2b(user.user_id.encode(), digest_size=8).digest(), user.user_id

    with patient_database(DatabaseName.ENGAGEMENT, settings.databases) as database:
        engagement_db = EngagementDatabase(database, settings.interaction_types, clock)
        users = counted(forgotten.rows_of_others(engagement_db.stream_later_positives(start)))
        drawn = sorted(users, key=rank) if limit is None else heapq.nsmallest(limit, users, key=rank)
    return drawn, eligible_users


def _read_dataset(settings: Settings, clock: Clock) -> Dataset:
    """Return the training data as of the moment."""
    start = window_start(settings.ranking.interaction_window_days, clock.now())
    with patient_database(DatabaseName.ENGAGEMENT, settings.databases) as database:
        engagement_db = EngagementDatabase(database, settings.interaction_types, clock)
        return dataset_of(engagement_db.stream_positive_histories(start), start)


def _refuse_other_model(container: Container, model: str) -> None:
    if model == LIVE:
        return
    status = container.status.read().model
    if status.version is None or status.name != model:
        reason = "it was not loaded in time" if status.refused is None else status.refused.reason
        raise ReplayError(f"{MODEL}: the service does not use {model}: {reason}")


def _recommended(
    container: Container, asked: Sequence[LaterPositives], limit: int, show: Callable[[int, int], None]
) -> Iterator[ReplayedUser]:
    answers = container.service.recommend([user.user_id for user in asked], Page(limit))
    for done, (user, answer) in enumerate(zip(asked, answers, strict=True), start=1):
        yield ReplayedUser(
            user_id=user.user_id,
            item_ids=tuple(item.details.id for item in answer.items),
            strategy=answer.strategy,
            degraded=answer.degraded,
            model=answer.model,
            followed=tuple(user.item_ids),
            is_new=not user.had_positives,
        )
        show(done, len(asked))
