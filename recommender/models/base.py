"""The interface of collaborative models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.deadline import Deadline
from recommender.domain import History
from recommender.scoring.explanation import SimilarHistories

# What answers call the models.
LIVE = "live"
NEIGHBOURS = "neighbours"


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a user's similar users have in their favour; three parallel arrays, no medium twice.

    `media_idx` are positions in the catalogue index that was asked with; media the user has seen may be
    among them. `value_steps`: total_interaction_value in whole steps of 10^-9. `similar_histories` looks up
    which of the similar users has what: only explanations need that.
    """

    media_idx: NDArray[np.intp]
    similar_user_counts: NDArray[np.int64]
    value_steps: NDArray[np.float64]
    similar_histories: Callable[[], SimilarHistories]


def _no_histories() -> SimilarHistories:
    return SimilarHistories(np.zeros(1, dtype=np.intp), np.empty(0, dtype=np.intp))


NO_CANDIDATES = Candidates(
    np.empty(0, dtype=np.intp), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64), _no_histories
)


@dataclass(frozen=True, slots=True)
class SharedUsers:
    """Which media the users of one medium have, too; three arrays in step, no medium twice.

    `media_idx`: positions in the catalogue index that was asked with. `shared_user_counts`: how many of the
    `read_users` have it. `user_counts`: how many users it has in all. `all_users`: how many the medium asked
    about has, of whom `read_users` were looked at.
    """

    media_idx: NDArray[np.intp]
    shared_user_counts: NDArray[np.int64]
    user_counts: NDArray[np.int64]
    all_users: int
    read_users: int


NO_SHARED_USERS = SharedUsers(
    np.empty(0, dtype=np.intp), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), 0, 0
)


class CollaborativeModel(Protocol):
    """Finds, for many users at once, what their similar users liked or watched."""

    @property
    def name(self) -> str:
        """What answers call it."""
        ...

    @property
    def version(self) -> str | None:
        """Which build of it answers; None for one that is not built."""
        ...

    @property
    def built_at(self) -> datetime | None:
        """When it was built; None for one that is not."""
        ...

    def find_candidates(
        self, histories: Mapping[str, History], index: CatalogueIndex, window_start: str, deadline: Deadline
    ) -> Mapping[str, Candidates]:
        """Candidates by user; users without similar users may be absent.

        Raises:
            DatabaseUnavailableError: a database the model reads did not answer before the deadline.
        """
        ...

    def find_shared_users(
        self, media_id: str, index: CatalogueIndex, window_start: str, deadline: Deadline
    ) -> SharedUsers:
        """What the users of a medium have, too; the medium itself may be among it.

        Raises:
            DatabaseUnavailableError: a database the model reads did not answer before the deadline.
        """
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """A published model that is not used; no version where what is published has none."""

    version: str | None
    reason: str


class ModelSource(Protocol):
    """Says which model answers; it may be another one for the next request."""

    @property
    def live(self) -> CollaborativeModel:
        """The model that answers for any window."""
        ...

    def current(self) -> CollaborativeModel:
        """The model to ask now."""
        ...

    def refused(self) -> Refusal | None:
        """What is published and not used, if anything."""
        ...
