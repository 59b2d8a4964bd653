"""Which model answers a request: it stays the same from the request's beginning to its end."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from recommender.entities import Blend
from recommender.models.base import Choice, Scorer, SimilarItems, TrainableModel, UserContext
from recommender.models.short_histories import ShortHistories, passing_blend, trained_share


class LiveModel(Scorer, SimilarItems, Protocol):
    """A model that needs no training and answers for every window."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The trained model in use, if there is one, and the live one for what it cannot answer.

    `window_days`: of the window that the trained model stands for. `blend`: how the scores of either become a
    ranking. `configured_blend`: how items are ranked for a user without a history. `min_history`: users with
    fewer positive items are not left to the trained model alone; 0 where all are.
    """

    live: LiveModel
    trained: TrainableModel | None
    window_days: int
    blend: Blend
    configured_blend: Blend
    min_history: int = 0
    # One for all users of a request, so that they are scored together.
    _mixture: ShortHistories | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.trained is not None and self.min_history:
            mixture = ShortHistories(self.trained, self.live, self.min_history)
            object.__setattr__(self, "_mixture", mixture)

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
        """Return the trained model, or the live one for a user of another window or without a history.

        Between no history and a long one is a mixture of both.
        """
        if self.trained is None or user.window.days != self.window_days:
            return Choice(self.live, self.configured_blend)
        share = trained_share(user.history, self.min_history)
        if self._mixture is None or share >= 1.0:
            return Choice(self.trained, self.blend)
        if share <= 0.0:
            return Choice(self.live, self.configured_blend)
        return Choice(self._mixture, passing_blend(self.configured_blend, self.blend, share))


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
