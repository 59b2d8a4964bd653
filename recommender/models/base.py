"""The interface of collaborative models."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue_index import CatalogueIndex
from recommender.deadline import Deadline
from recommender.domain import History

# What answers call the models.
LIVE = "live"
NEIGHBOURS = "neighbours"


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a user's similar users liked or watched; three arrays in step, no medium twice.

    `media_idx` are positions in the catalogue index that was asked with; media the user has seen may be
    among them.
    """

    media_idx: NDArray[np.intp]
    similar_user_counts: NDArray[np.int64]
    total_values: NDArray[np.float64]


NO_CANDIDATES = Candidates(
    np.empty(0, dtype=np.intp), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
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


class ModelSource(Protocol):
    """Says which model answers; it may be another one for the next request."""

    def current(self) -> CollaborativeModel:
        """The model to ask now."""
        ...
