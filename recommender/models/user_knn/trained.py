"""user_knn: the default formula, computed exactly, from arrays in memory.

Similar users are as of the training; the user's own history is read for the request.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recommender.catalog.index import CatalogIndex
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.models.base import NO_SCORES, ItemScores, ItemSimilarities, Scores, UserContext, Window
from recommender.models.files import Arrays, load_config, map_arrays, save_arrays, save_config
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.user_knn.build import ARRAY_NAMES, build_arrays
from recommender.models.user_knn.checks import check_arrays
from recommender.models.user_knn.contributions import SimilarHistories
from recommender.models.user_knn.kernels import (
    add_popular,
    add_rare,
    find_contenders,
    overlaps_of,
    sum_of_users,
)
from recommender.models.user_knn.layout import WORD_USERS
from recommender.models.user_knn.scores import ExplainsBySimilarUsers, scores_by_similar_users
from recommender.models.user_knn.similar_users import VALUE_STEPS, most_similar
from recommender.models.vocabulary import ItemVocabulary
from recommender.ranking.item_similarity import cosine_similarities
from recommender.system.cores import usable_cores
from recommender.texts.id_table import IdTexts

# From this many items on, 16 bits are too coarse to rule out many users.
_LONG_HISTORY = 4_096
# The time and memory of sorting the pairs, measured with 20 million.
_SECONDS_A_PAIR, _BYTES_A_PAIR = 5e-7, 64
# Kernels run in parallel; for a few users, the overhead of threads exceeds the gain.
_THREADS, _USERS_WORTH_A_THREAD = usable_cores(), 8


class UserKnnConfig(BaseModel):
    """Hyperparameters of `UserKnn`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    similar_users: int = Field(default=50, ge=1)
    """K: how many similar users count. Read when scoring: a change needs no training."""


class UserKnn(ExplainsBySimilarUsers):
    """Score by similar users from memory-mapped arrays."""

    name = "neighbours"

    def __init__(self, config: UserKnnConfig | None = None) -> None:
        self.config = config or UserKnnConfig()
        self.version: str | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="user_knn")

    @property
    def items(self) -> ItemVocabulary:
        """The items that the model knows."""
        return self._items

    @property
    def sizes(self) -> Mapping[str, int]:
        """The numbers of users, items and pairs."""
        return {"users": len(self._user_ids), "media": len(self._items), "pairs": len(self._values)}

    def estimate(self, data: Dataset) -> Estimate:
        """Return the time and memory of sorting all pairs."""
        pairs = len(data.item_idx)
        return Estimate(_SECONDS_A_PAIR * pairs, _BYTES_A_PAIR * pairs)

    def fit(self, data: Dataset, fitting: Fitting = UNBOUNDED) -> None:
        """Store all pairs of a dataset."""
        fitting.refuse_beyond(self.name, self.estimate(data).memory_bytes)
        self._use(build_arrays(data))
        fitting.report(1.0)

    def save(self, folder: Path) -> None:
        """Write arrays and hyperparameters into a folder, checked."""
        check_arrays(self._arrays)
        save_arrays(folder, self._arrays)
        save_config(folder, self.config)

    @classmethod
    def load(cls, folder: Path, **overrides: object) -> Self:
        """Return the model that a folder holds, checked and compiled."""
        model = cls(load_config(folder, UserKnnConfig, overrides))
        arrays = map_arrays(folder, ARRAY_NAMES)
        check_arrays(arrays)
        model._use(arrays)
        model._warm_up()
        return model

    def interactions(self, window_start: str) -> Dataset:
        """Return the training data, without times and likes."""
        pairs = len(self._values)
        return Dataset(
            user_ids=[user_id.decode() for user_id in self._user_ids],
            item_ids=self._items.item_ids,
            user_start=np.array(self._user_start),
            item_idx=np.array(self._items_of_user),
            values=np.array(self._values) / VALUE_STEPS,
            liked=np.zeros(pairs, dtype=np.bool_),
            times=np.full(pairs, np.nan),
            window_start=window_start,
        )

    def _use(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._user_ids = arrays["user_ids"]
        self._user_start = arrays["user_start"]
        self._items_of_user = arrays["media_of_user"]
        self._values = arrays["values"]
        self._item_start = arrays["media_start"]
        self._users_of_item = arrays["users_of_media"]
        self._idf_weights = arrays["idf_weights"]
        self._inverse_norms = arrays["inverse_norms"]
        self._bits_row = arrays["bits_row"]
        self._user_bits = arrays["user_bits"]
        self._items = ItemVocabulary(IdTexts.of_byte_strings(arrays["media_ids"]))

    def _warm_up(self) -> None:
        """Compile the kernels for short and long histories, so that no request waits for it."""
        history = np.zeros(min(1, len(self._items)), dtype=np.int64)
        weights = self._idf_weights[history].astype(np.int64)
        for dtype in (np.uint16, np.uint32):
            overlaps = self._rough_overlaps(history, weights, dtype)
            self._sum(self._most_similar(history, weights, overlaps))

    @property
    def _top_k(self) -> int:
        # Each request reserves memory for this many.
        return min(self.config.similar_users, max(1, len(self._user_ids)))

    def score(
        self,
        users: Sequence[UserContext],
        items: CatalogIndex,
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> Scores:
        """Return exact scores by the formula, always for the window of the training."""

        def score(user: UserContext) -> ItemScores:
            return self._score(user, items)

        if len(users) < _USERS_WORTH_A_THREAD:
            return [score(user) for user in users]
        shares = [users[n::_THREADS] for n in range(_THREADS)]
        scores: list[ItemScores] = [NO_SCORES] * len(users)
        for n, share in enumerate(self._threads.map(lambda share: [score(user) for user in share], shares)):
            scores[n::_THREADS] = share
        return scores

    def similar_items(
        self,
        item_id: str,
        items: CatalogIndex,
        window: Window,  # noqa: ARG002 - its window is the one it was trained with
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> ItemSimilarities:
        """Return the cosine over all users of the item, as of the training."""
        model_idx = self._items.index_of(item_id)
        users = np.empty(0, dtype=np.int32)
        if model_idx >= 0:
            users = self._users_of_item[self._item_start[model_idx] : self._item_start[model_idx + 1]]
        catalog_idx = self._items.catalog_idx_in(items)
        counts, _ = self._sum(users.astype(np.int64))
        found = np.flatnonzero(counts)
        found = found[catalog_idx[found] >= 0]
        shared = counts[found]
        user_counts = self._item_start[found + 1] - self._item_start[found]
        return ItemSimilarities(
            catalog_idx[found], cosine_similarities(shared, user_counts, len(users), len(users)), shared
        )

    def _score(self, user: UserContext, items: CatalogIndex) -> ItemScores:
        positive_ids = user.history.positive_ids
        if not positive_ids:
            return NO_SCORES
        catalog_idx = self._items.catalog_idx_in(items)
        history = self._items.indices_of_history(items, positive_ids, user.located_in(items).positive_idx)
        similar = self._similar(history[history >= 0], self._user_idx(user.user_id))
        counts, totals = self._sum(similar)
        found = np.flatnonzero(counts)
        found = found[catalog_idx[found] >= 0]
        return scores_by_similar_users(
            catalog_idx[found], counts[found], totals[found], lambda: self._histories(similar, catalog_idx)
        )

    def _histories(self, users: NDArray[np.int64], catalog_idx: NDArray[np.intp]) -> SimilarHistories:
        items = [self._items_of_user[self._user_start[user] : self._user_start[user + 1]] for user in users]
        sizes = [len(each) for each in items]
        return SimilarHistories(
            np.concatenate(([0], np.cumsum(sizes, dtype=np.intp))),
            catalog_idx[np.concatenate([*items, np.empty(0, dtype=np.int32)])],
        )

    def _similar(self, history: NDArray[np.int64], own_user: int) -> NDArray[np.int64]:
        """Return the most similar users, largest similarity first, ties by index."""
        weights = self._idf_weights[history].astype(np.int64)
        history, weights = history[weights > 0], weights[weights > 0]
        dtype = np.uint16 if len(history) < _LONG_HISTORY else np.uint32
        overlaps = self._rough_overlaps(history, weights, dtype)
        if own_user >= 0:
            overlaps[own_user] = 0
        return self._most_similar(history, weights, overlaps)

    def _rough_overlaps(
        self, history: NDArray[np.int64], weights: NDArray[np.int64], dtype: type[np.unsignedinteger[Any]]
    ) -> NDArray[np.unsignedinteger[Any]]:
        """Return all users' overlaps, in a unit so large that the sum of the rounded-up weights fits."""
        room = min(np.iinfo(dtype).max, 2**31) - len(history)
        rough = (weights * room // max(1, weights.sum()) + 1).astype(dtype)
        overlaps = np.zeros(max(self._user_bits.shape[1] * WORD_USERS, len(self._user_ids)), dtype=dtype)
        rows = self._bits_row[history].astype(np.int64)
        popular = rows >= 0
        add_popular(overlaps, self._user_bits, rows[popular], rough[popular])
        add_rare(overlaps, self._item_start, self._users_of_item, history[~popular], rough[~popular])
        return overlaps

    def _most_similar(
        self,
        history: NDArray[np.int64],
        weights: NDArray[np.int64],
        overlaps: NDArray[np.unsignedinteger[Any]],
    ) -> NDArray[np.int64]:
        """Return the most similar of the users whom the rough overlaps do not rule out."""
        contenders = find_contenders(overlaps, self._inverse_norms, self._user_start, self._top_k)
        item_weights = np.zeros(len(self._items), dtype=np.int64)
        item_weights[history] = weights
        exact = overlaps_of(contenders, item_weights, self._user_start, self._items_of_user)
        sizes = self._user_start[contenders + 1] - self._user_start[contenders]
        return np.asarray(contenders[most_similar(exact, sizes, self._top_k)])

    def _sum(self, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        sums: tuple[NDArray[np.int64], NDArray[np.float64]] = sum_of_users(
            users, self._user_start, self._items_of_user, self._values, len(self._items)
        )
        return sums

    def _user_idx(self, user_id: str) -> int:
        key = user_id.encode()
        if len(key) > self._user_ids.dtype.itemsize:
            # Longer than every id: numpy would copy all of them to compare.
            return -1
        user_idx = int(np.searchsorted(self._user_ids, key))
        known = user_idx < len(self._user_ids) and self._user_ids[user_idx] == key
        return user_idx if known else -1
