"""The interfaces of models, with their arguments and results.

Every model is a `Scorer`, and one that learns is a `TrainableModel`, too. `SimilarItems` and `Explainer` are
optional capabilities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recommender.catalog.index import CatalogIndex, LocatedHistory
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.entities import Blend, DatabaseName, History, VariantName, Weights
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.vocabulary import ItemVocabulary


class Window(NamedTuple):
    """The time window of interactions.

    `days`: its length, 0 for all time. `start`: its first moment, as text for SQL (`index.window_start`).
    """

    days: int
    start: str


@dataclass(frozen=True, slots=True)
class UserContext:
    """A user's data for a request, the same for every model.

    `user_id`: empty for a user without an account. `stated_genres`: {key: as written}. `history`: read for
    this request in `window`; empty if engagement_db did not answer. `found`: where its items are in the index
    of the request, if they were looked up.
    """

    user_id: str
    stated_genres: Mapping[str, str]
    history: History
    window: Window
    found: LocatedHistory | None = None

    @classmethod
    def located(
        cls,
        user_id: str,
        stated_genres: Mapping[str, str],
        history: History,
        window: Window,
        index: CatalogIndex,
    ) -> Self:
        """Return a context whose history was looked up in an index, once for all that use it."""
        return cls(user_id, stated_genres, history, window, index.locate_history(history))

    def located_in(self, index: CatalogIndex) -> LocatedHistory:
        """Return where the items of the history are in an index."""
        if self.found is not None and self.found.index is index:
            return self.found
        return index.locate_history(self.history)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScores:
    """One user's scores, for some items (sparse) or for all (dense).

    Scores are integers, so that equal ones compare equal. `values`: int64, or Python integers if int64 is too
    small; none below 0. `item_idx`: parallel, indices in the catalog index, each once; None for dense scores.
    `steps`: a score is `values / steps`. `missing`: a database that did not answer, so that the scores lack
    its part.
    """

    values: NDArray[Any]
    item_idx: NDArray[np.intp] | None = None
    steps: float = 1.0
    missing: DatabaseName | None = None


NO_SCORES = ItemScores(values=np.empty(0, dtype=np.int64), item_idx=np.empty(0, dtype=np.intp))

# One entry per user, in the order of the request.
Scores = Sequence[ItemScores]


class Scorer(Protocol):
    """Score items for users.

    `name`: in answers, commands and folders. `version`: of the trained model; None for an untrained one.
    """

    name: str
    version: str | None

    def score(self, users: Sequence[UserContext], items: CatalogIndex, deadline: Deadline) -> Scores:
        """Return each user's scores of items in `items`, possibly including seen ones.

        Raises:
            DatabaseUnavailableError: a database the model reads did not answer before the deadline.
        """
        ...


class TrainableModel(Scorer, Protocol):
    """A scorer that learns from a dataset and is saved in a folder with its hyperparameters, `config`."""

    @property
    def config(self) -> BaseModel:
        """The hyperparameters."""
        ...

    @property
    def items(self) -> ItemVocabulary:
        """The items that the model knows."""
        ...

    @property
    def sizes(self) -> Mapping[str, int]:
        """The counts that follow from the model's arrays, by the names of `Dataset.counts`."""
        ...

    def estimate(self, data: Dataset) -> Estimate:
        """Return the time and memory that `fit` takes."""
        ...

    def fit(self, data: Dataset, fitting: Fitting = UNBOUNDED) -> None:
        """Learn from a non-empty dataset, from scratch.

        Raises:
            TrainingMemoryError: learning needs more memory than `fitting` allows.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write arrays and JSON into an empty folder.

        Raises:
            OSError: the folder cannot be written.
        """
        ...

    @classmethod
    def load(cls, folder: Path, **overrides: object) -> Self:
        """Load a model, check it, and compile its kernels if it has any.

        Args:
            folder: written by `save`.
            overrides: hyperparameters that replace saved ones; only those read when scoring.

        Raises:
            ArtifactError: the files do not hold such a model. The message names no path.
        """
        ...


@dataclass(frozen=True, slots=True)
class ItemSimilarities:
    """The similarities of items to one item; parallel arrays, each item once.

    `item_idx`: indices in the catalog index. `similarities`: in [0, 1]. `shared_user_counts`: how many of the
    users read have both; None if the model keeps no users.
    """

    item_idx: NDArray[np.intp]
    similarities: NDArray[np.float64]
    shared_user_counts: NDArray[np.int64] | None = None


@runtime_checkable
class SimilarItems(Protocol):
    """Find items that are similar to one item."""

    name: str
    version: str | None

    def similar_items(
        self, item_id: str, items: CatalogIndex, window: Window, deadline: Deadline
    ) -> ItemSimilarities:
        """Return similar items that the model knows, possibly including the item itself.

        Raises:
            DatabaseUnavailableError: a database the model reads did not answer before the deadline.
        """
        ...


@dataclass(frozen=True, slots=True)
class Contributions:
    """Contributions of the items of a user's history to one score, the largest first.

    `item_idx`: indices in the catalog index. `values`: parallel, below 0 for items that lower the score, in
    the unit of the score (`ItemScores.values / steps`). Items that are not in the catalog are left out. The
    sum over all others is the score, or below 0 if the score is 0.
    """

    item_idx: NDArray[np.intp]
    values: NDArray[np.float64]

    def of_others(self, item_idx: int, top_k: int) -> Self:
        """Return the `top_k` largest contributions above 0 of other items than `item_idx`."""
        kept = np.flatnonzero((self.values > 0.0) & (self.item_idx != item_idx))[:top_k]
        return type(self)(self.item_idx[kept], self.values[kept])


@dataclass(frozen=True, slots=True)
class SimilarUserEvidence:
    """The similar users behind some scores.

    `similar_users`: how many were found. Parallel to the explained items: `counts`, how many of these users
    have each, and `total_values`, the sums of the values of their interactions with it.
    """

    similar_users: int
    counts: NDArray[np.int64]
    total_values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoreExplanation:
    """Explanations of the scores of some items.

    `contributions`: one entry per item. `evidence`: for models that score by similar users.
    """

    contributions: Sequence[Contributions]
    evidence: SimilarUserEvidence | None = None


@runtime_checkable
class Explainer(Protocol):
    """Explain scores by the items of the user's own history."""

    def explain(
        self,
        user: UserContext,
        scores: ItemScores,
        item_idx: NDArray[np.intp],
        items: CatalogIndex,
        top_k: int,
    ) -> ScoreExplanation:
        """Return at most `top_k` of the largest contributions to the score of each item of `item_idx`.

        Those below 0 follow if there are not as many above 0.

        Args:
            user, items: the arguments of `score`.
            scores: the result of `score` for the user.
        """
        ...


@runtime_checkable
class KeepsInteractions(Protocol):
    """Keep the training data, so that the model can be fitted again without a database."""

    def interactions(self, window_start: str) -> Dataset:
        """Return the training data, without times and likes."""
        ...


@runtime_checkable
class UserEmbeddings(Protocol):
    """Compute embeddings of users, for other programs."""

    def user_embeddings(self, data: Dataset) -> NDArray[np.float32]:
        """Return the embedding of each user of a dataset; shape (users, factors)."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """How one user's items are ranked: the model, and how its scores become a ranking.

    `diversity`: the strength of re-ranking for different genres, from 0. `variants`: of the experiments that
    the user is in. `draft`: a second ranking that is interleaved with this one.
    """

    scorer: Scorer
    blend: Blend
    diversity: float = 0.0
    variants: tuple[VariantName, ...] = ()
    draft: "Draft | None" = None

    def with_weights(self, weights: Weights) -> Self:
        """Return a choice with other weights; of a draft, those of both rankings."""
        draft = self.draft
        if draft is not None:
            draft = replace(draft, second=draft.second.with_weights(weights))
        return replace(self, blend=replace(self.blend, weights=weights), draft=draft)


@dataclass(frozen=True, slots=True)
class Draft:
    """An interleaving experiment that a user is in.

    `teams`: the names of the variants; the first is the choice that has this draft, `second` is the other.
    `models`: the trained models that they name, None for a variant without one.
    """

    experiment: str
    teams: tuple[str, str]
    second: Choice
    models: tuple[str | None, str | None] = (None, None)


class ModelSelector(Protocol):
    """Select the model for each user; constant during a request."""

    @property
    def fallback(self) -> Scorer:
        """The model that scores if the selected one fails."""
        ...

    @property
    def similar_items(self) -> SimilarItems:
        """The model that finds similar items."""
        ...

    def select(self, user: UserContext) -> Choice:
        """Return the model and the blend for a user."""
        ...


class ModelSource(Protocol):
    """Give each request its selector; models may be swapped between requests."""

    def selection(self) -> ModelSelector:
        """Return the selector for a new request."""
        ...
