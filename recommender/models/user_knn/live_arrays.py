"""Compute the live search between and after its two statements, in numpy."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.ranking_settings import NeighbourSearchSettings
from recommender.catalog.index import CatalogIndex
from recommender.catalog.item_keys import fold_keys
from recommender.data.forgotten import Forgotten
from recommender.databases.engagement_db import InteractionLists
from recommender.models.base import UserContext
from recommender.models.user_knn.contributions import SimilarHistories
from recommender.models.user_knn.scores import (
    SimilarUserScores,
    add_up_items,
    scores_by_similar_users,
)
from recommender.models.user_knn.shortlist import Audiences, draw_up_shortlist
from recommender.models.user_knn.similar_users import (
    Interactions,
    PositiveItems,
    most_similar,
    positive_items,
)
from recommender.models.user_knn.similarity import idf_weights

_WORD = np.dtype(">u8")


class AskedUser(NamedTuple):
    """A user of the request, by index among all users. `asked_idx`: of their items in `AskedItems`.

    `idf_weights`: parallel to `asked_idx`, in fixed point, above 0. `user_key`: as in `History`.
    """

    user_idx: int
    asked_idx: NDArray[np.intp]
    idf_weights: NDArray[np.int64]
    user_key: bytes


class AskedItems(NamedTuple):
    """The items of the request's users, and how many interactions of each are read; parallel."""

    item_ids: Sequence[str]
    row_limits: Sequence[int]


class Neighbours(NamedTuple):
    """The users with the largest overlaps with the request's users.

    `user_keys`: each of them once, in the order of their ids. `of_asked`: for each user of the request,
    ascending indices in `user_keys`, and parallel to these the sums of the idf of the shared items.
    """

    user_keys: Sequence[bytes]
    of_asked: Sequence[tuple[NDArray[np.intp], NDArray[np.int64]]]


def ask_about(
    users: Sequence[UserContext],
    items: CatalogIndex,
    history_items: int,
    row_limits: Callable[[Sequence[str], Sequence[int]], Sequence[int]],
) -> tuple[list[AskedUser], AskedItems]:
    """Return the users with any item that could be shared, and the items to read for them.

    `row_limits`: returns how many interactions to read, by items and the user's own numbers of interactions.
    """
    asked_idx_of: dict[tuple[str, int], int] = {}
    asked = []
    for user_idx, user in enumerate(users):
        latest = user.history.positive_ids[:history_items]
        weights = np.array(idf_weights(items.popularity, latest), dtype=np.int64)
        limits = row_limits(latest, user.history.positive_rows[: len(latest)])
        asked_idx = np.array(
            [asked_idx_of.setdefault(key, len(asked_idx_of)) for key in zip(latest, limits, strict=False)],
            dtype=np.intp,
        )
        counts = weights > 0
        if counts.any():
            asked.append(AskedUser(user_idx, asked_idx[counts], weights[counts], user.history.user_key))
    return asked, AskedItems([item_id for item_id, _ in asked_idx_of], [limit for _, limit in asked_idx_of])


def without_forgotten(users: InteractionLists, forgotten: Forgotten | None) -> InteractionLists:
    """Return lists of users without forgotten ones; unchanged if the list of these cannot be read."""
    count = len(users.kinds)
    if not forgotten or not count:
        return users
    kept = ~forgotten.among_keys(users.keys, count)
    if kept.all():
        return users
    own_list = np.repeat(np.arange(len(users.sizes)), users.sizes)
    keys = np.frombuffer(users.keys, dtype=np.uint8).reshape(count, -1)
    return InteractionLists(
        sizes=np.bincount(own_list[kept], minlength=len(users.sizes)),
        keys=keys[kept].tobytes(),
        times=users.times[kept],
        kinds=users.kinds[kept],
        values=users.values[kept],
    )


def find_neighbours(
    asked: Sequence[AskedUser], users: InteractionLists, caps: NeighbourSearchSettings
) -> Neighbours:
    """Return the users with the largest overlaps with each user, from the latest users of their items."""
    if not users.kinds.size:
        return Neighbours([], [(np.empty(0, np.intp), np.empty(0, np.int64))] * len(asked))
    words = np.frombuffer(users.keys, dtype=_WORD).reshape(len(users.kinds), -1)
    folded = fold_keys(users.keys, words.shape[1])
    # One more than needed: the user of the request may be among them.
    positive = positive_items(
        Interactions(users.sizes, folded, users.times, users.kinds, users.values), caps.users_per_item + 1
    )
    audiences = Audiences(positive, folded[positive.rows], words[positive.rows])
    lists = [
        draw_up_shortlist(
            audiences,
            user.asked_idx,
            user.idf_weights,
            fold_keys(user.user_key, words.shape[1])[0] if user.user_key else None,
            users_per_item=caps.users_per_item,
            length=caps.shortlist,
        )
        for user in asked
    ]
    pairs = np.concatenate([own.pairs for own in lists])
    _, first, user_of_pair = np.unique(audiences.folded[pairs], return_index=True, return_inverse=True)
    keys = audiences.keys[pairs[first]]
    by_id = np.lexsort(keys.T[::-1])
    rank_of = np.empty(len(by_id), dtype=np.intp)
    rank_of[by_id] = np.arange(len(by_id))
    of_asked = []
    ends = np.cumsum([len(own.pairs) for own in lists])
    for own, end in zip(lists, ends.tolist(), strict=True):
        others = rank_of[user_of_pair[end - len(own.pairs) : end]]
        order = np.argsort(others)
        of_asked.append((others[order], own.overlaps[order]))
    return Neighbours([key.tobytes() for key in keys[by_id]], of_asked)


def scores_by_user(
    asked: Sequence[AskedUser],
    neighbours: Neighbours,
    lists: InteractionLists,
    items: CatalogIndex,
    caps: NeighbourSearchSettings,
) -> dict[int, SimilarUserScores]:
    """Return scores by index of the user, from the latest interactions of the users with large overlaps.

    `lists`: one for each of `neighbours.user_keys`. Users without similar users are absent.
    """
    keys = items.item_keys.fold(lists.keys)
    interactions = Interactions(lists.sizes, keys, lists.times, lists.kinds, lists.values)
    positive = positive_items(interactions, caps.items_per_user)
    item_idx = items.item_keys.locate_folded(keys[positive.rows])
    sizes = positive.sizes
    found = {}
    for user, (others, overlaps) in zip(asked, neighbours.of_asked, strict=True):
        # Users without a positive item among their latest interactions have no size.
        counts = sizes[others] > 0
        others, overlaps = others[counts], overlaps[counts]  # noqa: PLW2901 - the rest of them
        similar = others[most_similar(overlaps, sizes[others], caps.similar_users)]
        if similar.size:
            found[user.user_idx] = _scores(similar, positive, item_idx, len(items.item_ids))
    return found


def _scores(
    similar: NDArray[np.intp], positive: PositiveItems, item_idx: NDArray[np.intp], item_count: int
) -> SimilarUserScores:
    """Return one user's scores, from the positive items of the similar users."""
    _, pairs = positive.of_users(similar)
    own_idx = item_idx[pairs]
    known = own_idx >= 0
    steps = positive.value_steps[pairs][known]

    def histories() -> SimilarHistories:
        # Copied only when needed: copies for a hundred users would take far more memory than the originals.
        user_start, pairs = positive.of_users(similar)
        return SimilarHistories(user_start, item_idx[pairs])

    return scores_by_similar_users(*add_up_items(own_idx[known], steps, item_count), histories)
