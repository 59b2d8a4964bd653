"""The neighbours model: similar users exactly as defined, from arrays in memory.

Its users are as of its build; the asking user's own history is whatever the request read a moment ago.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue_index import CatalogueIndex
from recommender.domain import History
from recommender.models.artefact import Artefact
from recommender.models.base import NEIGHBOURS, Candidates
from recommender.models.neighbours_kernels import most_similar_users, sum_of_users


class NeighboursModel:
    """Similar users from an artefact; `similar_users` is K."""

    name = NEIGHBOURS

    def __init__(self, artefact: Artefact, similar_users: int) -> None:
        arrays = artefact.arrays
        self.version: str | None = artefact.metadata.version
        self._similar_users = similar_users
        self._user_ids = arrays["user_ids"]
        self._user_start = arrays["user_start"]
        self._media_of_user = arrays["media_of_user"]
        self._values = arrays["values"]
        self._media_start = arrays["media_start"]
        self._users_of_media = arrays["users_of_media"]
        self._idf_weights = arrays["idf_weights"]
        self._norms = arrays["norms"]
        self._media_ids = [media_id.decode() for media_id in arrays["media_ids"]]
        self._media_numbers = {media_id: number for number, media_id in enumerate(self._media_ids)}
        # Where the model's media stand in the index that was asked with last.
        self._placed: tuple[CatalogueIndex | None, NDArray[np.intp]] = (None, np.empty(0, dtype=np.intp))

    def warm_up(self) -> None:
        """Compile the kernels, before a request has to wait for it."""
        first = np.zeros(min(1, len(self._media_ids)), dtype=np.int64)
        self._sum(self._similar(first, -1))

    def find_candidates(
        self,
        histories: Mapping[str, History],
        index: CatalogueIndex,
        window_start: str,  # noqa: ARG002 - the model's window is the one it was built with
    ) -> Mapping[str, Candidates]:
        """Candidates by user, exactly by the definition."""
        positions = self._positions_in(index)
        return {
            user_id: self._candidates(user_id, history, positions)
            for user_id, history in histories.items()
            if history.positive_ids
        }

    def _candidates(self, user_id: str, history: History, positions: NDArray[np.intp]) -> Candidates:
        find = self._media_numbers.get
        numbers = np.fromiter((find(media_id, -1) for media_id in history.positive_ids), dtype=np.int64)
        counts, totals = self._sum(self._similar(numbers[numbers >= 0], self._user_number(user_id)))
        found = np.flatnonzero(counts)
        found = found[positions[found] >= 0]
        return Candidates(positions[found], counts[found], totals[found])

    def _similar(self, history: NDArray[np.int64], own_user: int) -> NDArray[np.int64]:
        similar: NDArray[np.int64] = most_similar_users(
            history,
            self._idf_weights,
            self._media_start,
            self._users_of_media,
            self._norms,
            own_user,
            self._similar_users,
        )
        return similar

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
        if placed is not index:
            positions = index.locate(self._media_ids)
            self._placed = (index, positions)
        return positions
