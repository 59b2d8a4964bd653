"""The interface of collaborative models."""

from collections.abc import Mapping
from typing import Protocol

from recommender.catalogue_index import CatalogueIndex
from recommender.domain import Candidates, History


class CollaborativeModel(Protocol):
    """Finds, for many users at once, what their similar users liked or watched."""

    def find_candidates(
        self, histories: Mapping[str, History], index: CatalogueIndex, window_start: str
    ) -> Mapping[str, Candidates]:
        """Candidates by user; users without similar users are absent.

        Candidates may include media the user has seen and media not in the catalogue.

        Raises:
            DatabaseUnavailableError: a database the model reads did not answer.
        """
        ...
