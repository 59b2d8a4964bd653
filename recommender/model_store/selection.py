"""Which model answers a request: it stays the same from the request's beginning to its end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from recommender.entities import Blend
from recommender.models.base import Choice, Scorer, SimilarItems, TrainableModel, UserContext


class LiveModel(Scorer, SimilarItems, Protocol):
    """A model that needs no training and answers for every window."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The trained model in use, if there is one, and the live one for what it cannot answer.

    `window_days`: of the window that the trained model stands for. `blend`: how the scores of either become a
    ranking.
    """

    live: LiveModel
    trained: TrainableModel | None
    window_days: int
    blend: Blend

    @property
    def similar_items(self) -> SimilarItems:
        """The trained model where it can say which items are similar, else the live one."""
        trained: object = self.trained
        return trained if isinstance(trained, SimilarItems) else self.live

    @property
    def fallback(self) -> Scorer:
        """The live model."""
        return self.live

    def select(self, user: UserContext) -> Choice:
        """Return the trained model, or the live one for a user of another window."""
        if self.trained is None or user.window.days != self.window_days:
            return Choice(self.live, self.blend)
        return Choice(self.trained, self.blend)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A published model that is not used; no version where what is published has none."""

    model: str
    version: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ModelState:
    """The model that answers; live SQL has neither version nor time.

    `refused`: a published model that is not used.
    """

    name: str
    version: str | None
    built_at: datetime | None
    refused: Refusal | None = None
