"""The data before the test: a dataset, a catalog index, and users as a request would read them.

Interactions of the test part are used only to find the relevant items.
"""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex, build_index
from recommender.catalog.popularity import Popularity
from recommender.data.dataset import Dataset, dataset_of
from recommender.data.interactions import (
    InteractionKind,
    Interactions,
    PositivePairs,
    histories_of,
    positive_pairs,
)
from recommender.databases.engagement_db import PositiveHistory
from recommender.entities import History
from recommender.errors import EvaluationError
from recommender.evaluation.sources import Source, id_key
from recommender.evaluation.splits import Split, iso_time, window_start
from recommender.models.base import UserContext, Window
from recommender.texts.names import distinct_names

# With fewer users who have likes, what they watched says more.
LEAST_LIKING_USERS = 30
_STATED_GENRES = 3


class Relevant(StrEnum):
    """Which items of the test part are relevant."""

    LIKES = "likes"
    POSITIVES = "positives"


@dataclass(frozen=True, slots=True)
class TestUsers:
    """Test users, as parallel arrays.

    `contexts`: as a request would read them. `relevant`: item_idx of the items that are relevant to each, at
    least one.
    """

    contexts: Sequence[UserContext]
    relevant: Sequence[NDArray[np.intp]]

    # Tells pytest that this is not a class of tests.
    __test__ = False

    @property
    def relevant_counts(self) -> NDArray[np.int64]:
        """Numbers of relevant items; shape (users,)."""
        return np.array([len(each) for each in self.relevant], dtype=np.int64)

    @property
    def history_lengths(self) -> NDArray[np.int64]:
        """Numbers of positive items before the test; shape (users,)."""
        return np.array([len(user.history.positive_ids) for user in self.contexts], dtype=np.int64)

    @property
    def compared(self) -> NDArray[np.bool_]:
        """Mask of the users that decide: those with a history, or all if none has one; shape (users,)."""
        known = self.history_lengths > 0
        return known if known.any() else ~known


@dataclass(frozen=True, slots=True)
class TrainingPart:
    """Training data, catalog index and test users. `relevant`: the kind of relevant items."""

    data: Dataset
    index: CatalogIndex
    users: TestUsers
    relevant: Relevant


def choose_relevant(source: Source, splits: Sequence[Split]) -> Relevant:
    """Return what is relevant in all splits of a run: likes if there are enough in each, else all positives.

    There are enough if `LEAST_LIKING_USERS` of the test users with a history have a relevant like. Deciding
    for each split would let a like button that was added between them change what is measured.
    """
    in_catalog = source.in_catalog()
    for split in splits:
        start = window_start(source.window_days, split.end)
        known = positive_pairs(split.train.since(start)).user_idx
        user_idx, item_idx = _possible_pairs(split, Relevant.LIKES, start)
        if len(np.intersect1d(known, user_idx[in_catalog[item_idx]])) < LEAST_LIKING_USERS:
            return Relevant.POSITIVES
    return Relevant.LIKES


def prepare(
    source: Source,
    split: Split,
    relevant: Relevant | None = None,
    max_users: int | None = None,
    seed: int = 0,
) -> TrainingPart:
    """Prepare the training part of a split.

    Args:
        source: the source of the split interactions.
        split: the split.
        relevant: likes or all positives; None to choose by this split alone.
        max_users: the size of the sample of test users, first of those with a history; None for all.
        seed: of the sample.

    Raises:
        EvaluationError: there are no positive interactions before the test, or no relevant ones in it.
    """
    start = window_start(source.window_days, split.end)
    pairs = positive_pairs(split.train.since(start))
    histories = {each.user_id: each for each in histories_of(pairs, split.train)}
    if not histories:
        raise EvaluationError("nothing is liked or watched in the window before the test")
    counts = np.bincount(pairs.item_idx, minlength=len(split.train.item_ids))
    popularity = Popularity.of(
        {split.train.item_ids[item]: int(counts[item]) for item in np.flatnonzero(counts).tolist()},
        len(histories),
    )
    window = Window(source.window_days, _as_sql(start))
    index = build_index(source.entries, popularity, source.domain)
    kind = relevant or choose_relevant(source, [split])
    wanted = _draw(_relevant_items(split, kind, start, index), histories, max_users, seed)
    if not wanted:
        raise EvaluationError(f"the test part has no {kind} of items in the catalog that are new to a user")
    stated = _stated_genres(source, list(wanted), pairs, split.train)
    seen = _seen_items(split.train, wanted)
    contexts = [
        UserContext.located(
            user_id,
            distinct_names(stated.get(user_id, ())),
            _history(user_id, histories.get(user_id), seen.get(user_id, [])),
            window,
            index,
        )
        for user_id in wanted
    ]
    data = dataset_of(histories.values(), window.start)
    return TrainingPart(data, index, TestUsers(contexts, list(wanted.values())), kind)


def _as_sql(start: float) -> str:
    if not np.isfinite(start):
        return "-infinity"
    return iso_time(start).removesuffix("+00:00")


def _relevant_items(
    split: Split, kind: Relevant, start: float, index: CatalogIndex
) -> dict[str, NDArray[np.intp]]:
    """Return the relevant items by user: in the catalog, and not excluded."""
    user_idx, item_idx = _possible_pairs(split, kind, start)
    catalog_idx = index.locate(split.train.item_ids)[item_idx]
    user_idx, catalog_idx = user_idx[catalog_idx >= 0], catalog_idx[catalog_idx >= 0]
    users, starts = np.unique(user_idx, return_index=True)
    parts = np.split(catalog_idx, starts[1:])
    return {split.train.user_ids[user]: part for user, part in zip(users.tolist(), parts, strict=False)}


def _possible_pairs(
    split: Split, kind: Relevant, start: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return users and items of the positive pairs of the test part that could be recommended, by user.

    A ranking can hold a known item again unless an interaction with it excludes it (EXCLUDING_TYPES). A watch
    after a dislike in the window, which begins at `start`, is not positive.
    """
    later = positive_pairs(split.test)
    item_count = len(split.train.item_ids)
    keys = _pair_keys(later, item_count)
    possible = ~np.isin(keys, np.unique(_pair_keys(split.train.select(split.train.excluding), item_count)))
    if kind is Relevant.LIKES:
        possible &= later.liked
    else:
        possible &= later.liked | ~np.isin(keys, _disliked_keys(split.train.since(start), item_count))
    return later.user_idx[possible], later.item_idx[possible]


def _disliked_keys(interactions: Interactions, item_count: int) -> NDArray[np.int64]:
    """Return the keys of the pairs whose last verdict is a dislike."""
    dislikes = interactions.kinds == InteractionKind.DISLIKE
    verdicts = interactions.select(dislikes | (interactions.kinds == InteractionKind.LIKE))
    liked = _pair_keys(positive_pairs(verdicts), item_count)
    return np.setdiff1d(_pair_keys(interactions.select(dislikes), item_count), liked)


def _pair_keys(pairs: Interactions | PositivePairs, item_count: int) -> NDArray[np.int64]:
    """Return a number for each pair of a user and an item."""
    return np.asarray(pairs.user_idx.astype(np.int64) * item_count + pairs.item_idx)


def _draw(
    wanted: Mapping[str, NDArray[np.intp]], with_history: Container[str], max_users: int | None, seed: int
) -> Mapping[str, NDArray[np.intp]]:
    """Return a sample of the users, first of those with a history: only they decide if there are any."""
    if max_users is None or max_users >= len(wanted):
        return wanted
    names = list(wanted)
    is_new = np.array([name not in with_history for name in names], dtype=np.bool_)
    drawn = np.random.default_rng(seed).permutation(len(names))
    first = drawn[np.argsort(is_new[drawn], kind="stable")][:max_users]
    return {names[user]: wanted[names[user]] for user in sorted(first.tolist())}


def _seen_items(train: Interactions, wanted: Mapping[str, object]) -> dict[str, list[str]]:
    """Return the items that each of some users must not get again."""
    is_wanted = np.array([user_id in wanted for user_id in train.user_ids], dtype=np.bool_)
    rows = train.select(is_wanted[train.user_idx] & train.excluding)
    seen: dict[str, list[str]] = {}
    pairs = np.unique(np.stack((rows.user_idx, rows.item_idx), axis=1), axis=0)
    for user, item in pairs.tolist():
        seen.setdefault(train.user_ids[user], []).append(train.item_ids[item])
    return seen


def _history(user_id: str, positive: PositiveHistory | None, seen_ids: list[str]) -> History:
    if positive is None:
        return History(seen_ids=seen_ids, user_key=id_key(user_id))
    return History(seen_ids, positive.item_ids, [1] * len(positive.item_ids), positive.liked, id_key(user_id))


def _stated_genres(
    source: Source,
    user_ids: Sequence[str],
    pairs: PositivePairs,
    train: Interactions,
) -> Mapping[str, Sequence[str]]:
    """Return the stated genres, else those of most items that a user liked before the test."""
    if source.stated is not None:
        return source.stated(user_ids)
    genres = {entry.item_id: entry.genre_names or () for entry in source.entries}
    wanted = set(user_ids)
    liked: dict[str, Counter[str]] = {}
    # Without enough likes, use watches too.
    has_likes = len(np.unique(pairs.user_idx[pairs.liked])) >= LEAST_LIKING_USERS
    counted = pairs.liked if has_likes else np.ones(len(pairs.liked), dtype=np.bool_)
    for user, item in zip(pairs.user_idx[counted].tolist(), pairs.item_idx[counted].tolist(), strict=True):
        user_id = train.user_ids[user]
        if user_id in wanted:
            liked.setdefault(user_id, Counter()).update(genres.get(train.item_ids[item], ()))
    return {
        user_id: sorted(counts, key=lambda genre: (-counts[genre], genre))[:_STATED_GENRES]
        for user_id, counts in liked.items()
    }
