"""The neighbours model: similar users exactly as defined, from arrays in memory.

Its users are as of its build; the asking user's own history is whatever the request read a moment ago.
"""

import os
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.deadline import Deadline
from recommender.domain import History
from recommender.models.artefact import Artefact
from recommender.models.base import NEIGHBOURS, NO_SHARED_USERS, Candidates, SharedUsers
from recommender.models.neighbours_kernels import (
    add_popular,
    add_rare,
    find_contenders,
    overlaps_of,
    sum_of_users,
)
from recommender.models.neighbours_layout import WORD_USERS
from recommender.scoring.explanation import SimilarHistories
from recommender.scoring.similar_users import most_similar

# From so many media on, 16 bits are too coarse to rule many users out.
_LONG_HISTORY = 4_096
# The kernels run side by side; for a handful of users that does not repay the way to another thread and back.
_THREADS = os.cpu_count() or 1
_USERS_WORTH_A_THREAD = 8


class NeighboursModel:
    """Similar users from an artefact; `similar_users` is K."""

    name = NEIGHBOURS

    def __init__(self, artefact: Artefact, similar_users: int) -> None:
        arrays = artefact.arrays
        self.metadata = artefact.metadata
        self.version: str | None = artefact.metadata.version
        self.built_at: datetime | None = datetime.fromisoformat(artefact.metadata.built_at)
        # As many places are set aside for them with each request.
        self._similar_users = min(similar_users, max(1, len(arrays["user_ids"])))
        self._user_ids = arrays["user_ids"]
        self._user_start = arrays["user_start"]
        self._media_of_user = arrays["media_of_user"]
        self._values = arrays["values"]
        self._media_start = arrays["media_start"]
        self._users_of_media = arrays["users_of_media"]
        self._idf_weights = arrays["idf_weights"]
        self._inverse_norms = arrays["inverse_norms"]
        self._bits_row = arrays["bits_row"]
        self._user_bits = arrays["user_bits"]
        self._media_ids = [media_id.decode() for media_id in arrays["media_ids"]]
        self._media_numbers = {media_id: number for number, media_id in enumerate(self._media_ids)}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="neighbours")
        # Where the model's media stand in the index that was asked with last. Only referred to weakly: an
        # index that has been replaced takes as much memory as the new one.
        self._placed: tuple[weakref.ref[CatalogueIndex] | None, NDArray[np.intp]] = (
            None,
            np.empty(0, dtype=np.intp),
        )

    def warm_up(self) -> None:
        """Compile the kernels for histories short and long, before a request has to wait for it."""
        history = np.zeros(min(1, len(self._media_ids)), dtype=np.int64)
        weights = self._idf_weights[history].astype(np.int64)
        for dtype in (np.uint16, np.uint32):
            overlaps = self._rough_overlaps(history, weights, dtype)
            self._sum(self._most_similar(history, weights, overlaps))

    def known_share(self, index: CatalogueIndex) -> float:
        """Return the share of the model's media that are in the catalogue, 0 to 1."""
        return float((self._positions_in(index) >= 0).mean())

    def find_candidates(
        self,
        histories: Mapping[str, History],
        index: CatalogueIndex,
        window_start: str,  # noqa: ARG002 - the model's window is the one it was built with
        deadline: Deadline,  # noqa: ARG002 - it waits for nobody
    ) -> Mapping[str, Candidates]:
        """Candidates by user, exactly by the definition."""
        positions = self._positions_in(index)
        asked = [item for item in histories.items() if item[1].positive_ids]

        def answer(share: Sequence[tuple[str, History]]) -> dict[str, Candidates]:
            return {user_id: self._candidates(user_id, history, positions) for user_id, history in share}

        if len(asked) < _USERS_WORTH_A_THREAD:
            return answer(asked)
        found: dict[str, Candidates] = {}
        for part in self._threads.map(answer, [asked[n::_THREADS] for n in range(_THREADS)]):
            found.update(part)
        return found

    def find_shared_users(
        self,
        media_id: str,
        index: CatalogueIndex,
        window_start: str,  # noqa: ARG002 - the model's window is the one it was built with
        deadline: Deadline,  # noqa: ARG002 - it waits for nobody
    ) -> SharedUsers:
        """What all users of the medium have, as of the build."""
        number = self._media_numbers.get(media_id)
        if number is None:
            return NO_SHARED_USERS
        positions = self._positions_in(index)
        users = self._users_of_media[self._media_start[number] : self._media_start[number + 1]]
        counts, _ = self._sum(users.astype(np.int64))
        found = np.flatnonzero(counts)
        found = found[positions[found] >= 0]
        return SharedUsers(
            media_idx=positions[found],
            shared_user_counts=counts[found],
            user_counts=self._media_start[found + 1] - self._media_start[found],
            all_users=len(users),
            read_users=len(users),
        )

    def _candidates(self, user_id: str, history: History, positions: NDArray[np.intp]) -> Candidates:
        numbers = np.fromiter(map(self._media_numbers.get, history.positive_ids, repeat(-1)), dtype=np.int64)
        users = self._similar(numbers[numbers >= 0], self._user_number(user_id))
        counts, totals = self._sum(users)
        found = np.flatnonzero(counts)
        found = found[positions[found] >= 0]
        return Candidates(
            positions[found], counts[found], totals[found], lambda: self._histories(users, positions)
        )

    def _histories(self, users: NDArray[np.int64], positions: NDArray[np.intp]) -> SimilarHistories:
        media = [self._media_of_user[self._user_start[user] : self._user_start[user + 1]] for user in users]
        sizes = [len(each) for each in media]
        return SimilarHistories(
            np.concatenate(([0], np.cumsum(sizes, dtype=np.intp))),
            positions[np.concatenate([*media, np.empty(0, dtype=np.int32)])],
        )

    def _similar(self, history: NDArray[np.int64], own_user: int) -> NDArray[np.int64]:
        """The most similar users, largest similarity first, ties by position."""
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
        """Everybody's overlap in a unit so coarse that the sum of all weights, each rounded up, has room."""
        room = min(np.iinfo(dtype).max, 2**31) - len(history)
        rough = (weights * room // max(1, weights.sum()) + 1).astype(dtype)
        overlaps = np.zeros(max(self._user_bits.shape[1] * WORD_USERS, len(self._user_ids)), dtype=dtype)
        rows = self._bits_row[history].astype(np.int64)
        popular = rows >= 0
        add_popular(overlaps, self._user_bits, rows[popular], rough[popular])
        add_rare(overlaps, self._media_start, self._users_of_media, history[~popular], rough[~popular])
        return overlaps

    def _most_similar(
        self,
        history: NDArray[np.int64],
        weights: NDArray[np.int64],
        overlaps: NDArray[np.unsignedinteger[Any]],
    ) -> NDArray[np.int64]:
        """The most similar of those whose rough overlap does not rule them out."""
        contenders = find_contenders(overlaps, self._inverse_norms, self._user_start, self._similar_users)
        media_weights = np.zeros(len(self._media_ids), dtype=np.int64)
        media_weights[history] = weights
        exact = overlaps_of(contenders, media_weights, self._user_start, self._media_of_user)
        sizes = self._user_start[contenders + 1] - self._user_start[contenders]
        return np.asarray(contenders[most_similar(exact, sizes, self._similar_users)])

    def _sum(self, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        sums: tuple[NDArray[np.int64], NDArray[np.float64]] = sum_of_users(
            users, self._user_start, self._media_of_user, self._values, len(self._media_ids)
        )
        return sums

    def _user_number(self, user_id: str) -> int:
        key = user_id.encode()
        number = int(np.searchsorted(self._user_ids, key))
        known = number < len(self._user_ids) and self._user_ids[number] == key
        return number if known else -1

    def _positions_in(self, index: CatalogueIndex) -> NDArray[np.intp]:
        placed, positions = self._placed
        if placed is None or placed() is not index:
            positions = index.locate(self._media_ids)
            self._placed = (weakref.ref(index), positions)
        return positions
