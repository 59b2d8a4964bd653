"""The numpy steps of the live search, around its statements."""

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
    ConcatenatedInteractions,
    PositiveItems,
    most_similar,
    positive_items,
    reached_by_top,
    similarities,
)
from recommender.models.user_knn.similarity import idf_weights

_WORD = np.dtype(">u8")
# Up to so many candidates are read with one statement.
_READ_AT_ONCE = 500
# Of more, so many times as many as are wanted are read first: most of the wanted ones are among them.
_READ_FIRST = 2


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


class Overlaps(NamedTuple):
    """The users who share items with one user of the request.

    `user_idx`: ascending indices in `Candidates.user_keys`. Parallel to these, `sums`: the sums of the idf of
    the shared items, and `shared_counts`: how many items that are.
    """

    user_idx: NDArray[np.intp]
    sums: NDArray[np.int64]
    shared_counts: NDArray[np.int64]


class Candidates(NamedTuple):
    """The users with the largest overlaps with the request's users.

    `user_keys`: each of them once, in the order of their ids. `overlaps`: of each user of the request; empty
    if no user shares an item.
    """

    user_keys: Sequence[bytes]
    overlaps: Sequence[Overlaps]


class ReadUsers(NamedTuple):
    """Candidates that were read, by index in `Candidates.user_keys`; parallel, the interactions of each."""

    user_idx: NDArray[np.intp]
    lists: InteractionLists

    def followed_by(self, others: "ReadUsers") -> "ReadUsers":
        """Return these users and others."""
        user_idx = np.concatenate((self.user_idx, others.user_idx))
        return ReadUsers(user_idx, self.lists.followed_by(others.lists))


def items_to_read(
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


def without_forgotten(users: InteractionLists, forgotten: Forgotten) -> InteractionLists:
    """Return lists of users without forgotten ones."""
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


def find_candidates(
    asked: Sequence[AskedUser], users: InteractionLists, caps: NeighbourSearchSettings
) -> Candidates:
    """Return the users with the largest overlaps with each user, from the latest users of their items."""
    if not users.kinds.size:
        return Candidates([], [])
    words = np.frombuffer(users.keys, dtype=_WORD).reshape(len(users.kinds), -1)
    folded = fold_keys(users.keys, words.shape[1])
    # One more than needed: the user of the request may be among them.
    positive = positive_items(
        ConcatenatedInteractions(users.sizes, folded, users.times, users.kinds, users.values),
        caps.users_per_item + 1,
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
    overlaps = []
    ends = np.cumsum([len(own.pairs) for own in lists])
    for own, end in zip(lists, ends.tolist(), strict=True):
        user_idx = rank_of[user_of_pair[end - len(own.pairs) : end]]
        order = np.argsort(user_idx)
        overlaps.append(Overlaps(user_idx[order], own.overlaps[order], own.shared_counts[order]))
    return Candidates([key.tobytes() for key in keys[by_id]], overlaps)


def first_to_read(candidates: Candidates, top_k: int) -> NDArray[np.intp]:
    """Return the candidates to read first: those with the largest overlaps, or all if they are few.

    Args:
        candidates: all of them.
        top_k: how many similar users are wanted.

    Returns:
        Ascending indices in `Candidates.user_keys`.
    """
    everyone = np.arange(len(candidates.user_keys))
    if len(everyone) <= _READ_AT_ONCE:
        return everyone
    is_first = np.zeros(len(everyone), dtype=np.bool_)
    for own in candidates.overlaps:
        cut = max(0, len(own.sums) - _READ_FIRST * top_k)
        is_first[own.user_idx[np.argpartition(own.sums, cut)[cut:]]] = True
    # A batch may have to read most of them first: then one statement for all costs less than two.
    return np.flatnonzero(is_first) if 2 * is_first.sum() < len(everyone) else everyone


def left_to_read(
    candidates: Candidates, read: ReadUsers, items: CatalogIndex, top_k: int
) -> NDArray[np.intp]:
    """Return the other candidates that may be among the `top_k` most similar users of any user.

    A candidate has at least the items that are shared, so that its similarity is at most
    overlap / sqrt(shared items + 10). It is not read if `top_k` others are known to be more similar.

    Args:
        candidates: all of them.
        read: those that were read, with all their interactions.
        items: the catalog index.
        top_k: how many similar users are wanted.

    Returns:
        Ascending indices in `Candidates.user_keys`.
    """
    if len(read.user_idx) == len(candidates.user_keys):
        return np.empty(0, dtype=np.intp)
    # 0 for those without a positive item, and for those that were not read.
    sizes = np.zeros(len(candidates.user_keys), dtype=np.int64)
    sizes[read.user_idx] = positive_items(_interactions(read.lists, items), len(read.lists.kinds)).sizes
    is_left = np.zeros(len(sizes), dtype=np.bool_)
    for own in candidates.overlaps:
        known = sizes[own.user_idx] > 0
        reached = reached_by_top(similarities(own.sums[known], sizes[own.user_idx[known]]), top_k)
        is_left[own.user_idx[similarities(own.sums, own.shared_counts) >= reached]] = True
    is_left[read.user_idx] = False
    return np.flatnonzero(is_left)


def scores_by_user(
    asked: Sequence[AskedUser],
    candidates: Candidates,
    read: ReadUsers,
    items: CatalogIndex,
    caps: NeighbourSearchSettings,
) -> dict[int, SimilarUserScores]:
    """Return scores by index of the user, from the latest interactions of the candidates that were read.

    Users without similar users are absent.
    """
    interactions = _interactions(read.lists, items)
    positive = positive_items(interactions, caps.items_per_user)
    item_idx = items.item_keys.locate_folded(interactions.items[positive.rows])
    # The index of each candidate in the lists, -1 for those that were not read.
    list_idx_of = np.full(len(candidates.user_keys), -1, dtype=np.intp)
    # Users without a positive item among their latest interactions have no size.
    known = np.flatnonzero(positive.sizes)
    list_idx_of[read.user_idx[known]] = known
    found = {}
    for user, own in zip(asked, candidates.overlaps, strict=True):
        # In the order of the ids, which decides between equally similar users.
        list_idx = list_idx_of[own.user_idx]
        overlaps, list_idx = own.sums[list_idx >= 0], list_idx[list_idx >= 0]
        similar = list_idx[most_similar(overlaps, positive.sizes[list_idx], caps.similar_users)]
        if similar.size:
            found[user.user_idx] = _scores(similar, positive, item_idx, len(items.item_ids))
    return found


def _interactions(lists: InteractionLists, items: CatalogIndex) -> ConcatenatedInteractions:
    keys = items.item_keys.fold(lists.keys)
    return ConcatenatedInteractions(lists.sizes, keys, lists.times, lists.kinds, lists.values)


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
