"""Select the model that answers a request; it does not change during the request."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from recommender.entities import Blend
from recommender.models.base import Choice, Scorer, SimilarItems, TrainableModel, UserContext
from recommender.models.short_histories import ShortHistories, interpolated_blend, trained_share


class LiveModel(Scorer, SimilarItems, Protocol):
    """A model that needs no training and answers for every window."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The trained model in use, if there is one, and the live model as its fallback.

    `window_days`: the window that the trained model was fitted to. `blend`: for both models.
    `configured_blend`: for users without a history. `min_history`: users with fewer positive items get a
    mixture of both models; 0 for no mixtures.
    """

    live: LiveModel
    trained: TrainableModel | None
    window_days: int
    blend: Blend
    configured_blend: Blend
    min_history: int = 0
    # One object for all users of a request, so that they are scored in one call.
    _mixture: ShortHistories | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.trained is not None and self.min_history:
            mixture = ShortHistories(self.trained, self.live, self.min_history)
            object.__setattr__(self, "_mixture", mixture)

    @property
    def similar_items(self) -> SimilarItems:
        """The trained model if it has similar items, else the live one."""
        trained: object = self.trained
        return trained if isinstance(trained, SimilarItems) else self.live

    @property
    def fallback(self) -> Scorer:
        """The live model."""
        return self.live

    def select(self, user: UserContext) -> Choice:
        """Return the trained model, or the live one for another window or a user without a history.

        Short histories get a mixture of both. A blend was learned from users with a history: without one, the
        configured blend lets stated genres count.
        """
        if self.trained is None or user.window.days != self.window_days:
            return Choice(self.live, self.configured_blend)
        if not user.history.positive_ids:
            return Choice(self.trained if self._mixture is None else self.live, self.configured_blend)
        share = trained_share(user.history, self.min_history)
        if self._mixture is None or share >= 1.0:
            return Choice(self.trained, self.blend)
        return Choice(self._mixture, interpolated_blend(self.configured_blend, self.blend, share))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A published model that is not used; `version` is None if the published one is unknown."""

    model: str
    version: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ModelState:
    """The model that answers; live SQL has no version and no time.

    `refused`: a published model that is not used.
    """

    name: str
    version: str | None
    built_at: datetime | None
    refused: Refusal | None = None
