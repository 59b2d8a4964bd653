"""The seam that every way of scoring fits: what a model is given, what it gives, what it may offer.

A model is a `Scorer`. One that learns is a `TrainableModel`, too. `SimilarItems` and `Explainer` are
capabilities that a model has or has not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from recommender.catalog.index import CatalogIndex
from recommender.compiled import compiled_or
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.entities import Blend, DatabaseName, History, VariantName
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.vocabulary import ItemVocabulary

# The name of the model that needs no training.
LIVE = "live"
# In place of a model's name: the one that was found to be best.
AUTO = "auto"

# Steps between 0 and the largest score of a user, where a model's scores are floats.
_FLOAT_STEPS = float(1 << 32)


class Window(NamedTuple):
    """The stretch of time that interactions are read from.

    `days`: its length, 0 for all time. `start`: its first moment, as SQL takes it (`index.window_start`).
    """

    days: int
    start: str


@dataclass(frozen=True, slots=True)
class UserContext:
    """What is known of a user when a request is answered, the same for every model.

    `user_id`: empty for a user without an account. `stated_genres`: {key: as written}. `history`: read in
    `window` a moment ago; empty where engagement_db did not answer.
    """

    user_id: str
    stated_genres: Mapping[str, str]
    history: History
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScores:
    """One user's scores, for some items (sparse) or for all (dense).

    Scores are whole numbers, so that equal ones compare equal. `values`: int64, or Python's integers where
    int64 is too small; none below 0. `item_idx`: parallel, positions in the catalog index, each once; None
    where there is a value for every item. `steps`: a score is `values / steps`. `missing`: a database that
    did not answer, so that the scores lack its part.
    """

    values: NDArray[Any]
    item_idx: NDArray[np.intp] | None = None
    steps: float = 1.0
    missing: DatabaseName | None = None


NO_SCORES = ItemScores(values=np.empty(0, dtype=np.int64), item_idx=np.empty(0, dtype=np.intp))

# One entry for each of the users asked about, in their order.
Scores = Sequence[ItemScores]


def scores_of_floats(values: NDArray[np.floating[Any]], item_idx: NDArray[np.intp] | None) -> ItemScores:
    """Return scores that a model computed as floats, in steps of 2^-32 of the largest; below 0 they are 0."""
    largest = float(values.max(initial=0.0))
    if largest <= 0.0:
        return NO_SCORES
    steps = _FLOAT_STEPS / largest
    whole = np.rint(np.maximum(values, 0.0) * steps).astype(np.int64)
    return ItemScores(values=whole, item_idx=item_idx, steps=steps)


def scores_of_sums(sums: NDArray[np.float64], positions: NDArray[np.intp]) -> ItemScores:
    """Return what `scores_of_floats` does of the sums above 0 of items that are in a catalog index.

    Args:
        sums: shape (items of a model,).
        positions: parallel, in the catalog index, -1 for those that are not there.
    """
    values, item_idx = np.empty(len(sums), dtype=np.int64), np.empty(len(sums), dtype=np.intp)
    found, steps = write_whole_scores(sums, positions, _FLOAT_STEPS, values, item_idx)
    return ItemScores(values=values[:found], item_idx=item_idx[:found], steps=steps) if found else NO_SCORES


def _write_whole_scores_in_numpy(
    sums: NDArray[np.float64],
    positions: NDArray[np.intp],
    most: float,
    values: NDArray[np.int64],
    item_idx: NDArray[np.intp],
) -> tuple[int, float]:
    found = np.flatnonzero((sums > 0.0) & (positions >= 0))
    if not found.size:
        return 0, 1.0
    steps = most / float(sums[found].max())
    values[: found.size] = np.rint(sums[found] * steps)
    item_idx[: found.size] = positions[found]
    return int(found.size), steps


@compiled_or(_write_whole_scores_in_numpy)
def write_whole_scores(
    sums: NDArray[np.float64],
    positions: NDArray[np.intp],
    most: float,
    values: NDArray[np.int64],
    item_idx: NDArray[np.intp],
) -> tuple[int, float]:
    """Write the scores above 0 so that the largest is `most`, and where they stand.

    Returns:
        How many there are, and the steps that a score of 1 has.
    """
    largest = 0.0
    for item in range(sums.size):
        if positions[item] >= 0:
            largest = max(largest, sums[item])
    if largest <= 0.0:
        return 0, 1.0
    steps = most / largest
    found = 0
    for item in range(sums.size):
        if positions[item] >= 0 and sums[item] > 0.0:
            values[found] = np.int64(np.rint(sums[item] * steps))
            item_idx[found] = positions[item]
            found += 1
    return found, steps


class Scorer(Protocol):
    """Scores items for users.

    `name`: what answers, commands and folders call it. `version`: which build of it answers; None for one
    that is not built.
    """

    name: str
    version: str | None

    def score(self, users: Sequence[UserContext], items: CatalogIndex, deadline: Deadline) -> Scores:
        """Return each user's scores of items in `items`; those the user has seen may be among them.

        Raises:
            DatabaseUnavailableError: a database the model reads did not answer before the deadline.
        """
        ...


class TrainableModel(Scorer, Protocol):
    """A scorer that learns from a dataset and is kept in a folder.

    Its hyperparameters, `config`, are saved with it.
    """

    @property
    def config(self) -> BaseModel:
        """Its hyperparameters."""
        ...

    @property
    def items(self) -> ItemVocabulary:
        """The items it knows."""
        ...

    @property
    def sizes(self) -> Mapping[str, int]:
        """Counts that follow from its own arrays, by the names of `Dataset.counts`."""
        ...

    def estimate(self, data: Dataset) -> Estimate:
        """Return what `fit` takes."""
        ...

    def fit(self, data: Dataset, fitting: Fitting = UNBOUNDED) -> None:
        """Learn from a dataset that is not empty, anew.

        Raises:
            TrainingMemoryError: that needs more memory than `fitting` allows.
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
        """Return the model that a folder holds, ready to score: checked, and compiled where it has kernels.

        Args:
            folder: what `save` has written to.
            overrides: hyperparameters in place of the saved ones, such as are read when scoring.

        Raises:
            ArtifactError: the files are not those of such a model. The message names no path.
        """
        ...


@dataclass(frozen=True, slots=True)
class ItemSimilarities:
    """How similar items are to one item; parallel arrays, no item twice.

    `item_idx`: positions in the catalog index. `similarities`: in [0, 1]. `shared_user_counts`: how many of
    the users looked at have both; None where the model keeps no users.
    """

    item_idx: NDArray[np.intp]
    similarities: NDArray[np.float64]
    shared_user_counts: NDArray[np.int64] | None = None


@runtime_checkable
class SimilarItems(Protocol):
    """Says which items are similar to one."""

    name: str
    version: str | None

    def similar_items(
        self, item_id: str, items: CatalogIndex, window: Window, deadline: Deadline
    ) -> ItemSimilarities:
        """Return the similar items that the model knows of; the item itself may be among them.

        Raises:
            DatabaseUnavailableError: a database the model reads did not answer before the deadline.
        """
        ...


@dataclass(frozen=True, slots=True)
class Contributions:
    """What items of a user's own history add to one score, the largest contributions first.

    `item_idx`: positions in the catalog index. `values`: parallel, none below 0, in the unit of the score
    (`ItemScores.values / steps`). All of them together add up to the score, save for what lowers it and for
    items that are not in the catalog: these are not named.
    """

    item_idx: NDArray[np.intp]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimilarUserEvidence:
    """What similar users have to do with some scores.

    `similar_users`: how many were found. Parallel to the items explained: `counts`, how many of them have
    each, and `total_values`, the sums of the values of their interactions with it.
    """

    similar_users: int
    counts: NDArray[np.int64]
    total_values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoreExplanation:
    """How the scores of some items came about.

    `contributions`: one entry an item. `evidence`: of models that score by similar users.
    """

    contributions: Sequence[Contributions]
    evidence: SimilarUserEvidence | None = None


@runtime_checkable
class Explainer(Protocol):
    """Explains its scores by the items of the user's own history."""

    def explain(
        self,
        user: UserContext,
        scores: ItemScores,
        item_idx: NDArray[np.intp],
        items: CatalogIndex,
        top_k: int,
    ) -> ScoreExplanation:
        """Return the up to `top_k` largest contributions to the score of each item of `item_idx`.

        Args:
            user, items: as they were given to `score`.
            scores: what `score` gave for the user.
        """
        ...


@runtime_checkable
class KeepsInteractions(Protocol):
    """Keeps what it has learned from, so that it can be fitted again without a database."""

    def interactions(self, window_start: str) -> Dataset:
        """Return what it was fitted to; without the times, and without saying what was liked."""
        ...


@runtime_checkable
class UserEmbeddings(Protocol):
    """Describes users by numbers, which others may compare."""

    def user_embeddings(self, data: Dataset) -> NDArray[np.float32]:
        """Return a row of numbers for each user of a dataset; shape (users, factors)."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """How one user's items are ranked: the model that scores them, and how its scores become a ranking.

    `diversity`: how much the ranking is re-ranked for different genres, from 0. `variants`: the experiments'
    that the user is in. `draft`: a second ranking that the list is drafted from, too.
    """

    scorer: Scorer
    blend: Blend
    diversity: float = 0.0
    variants: tuple[VariantName, ...] = ()
    draft: "Draft | None" = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An interleaving experiment that a user is in.

    `teams`: the names of the variants, of which the first is the choice that has the draft, and `second` the
    other.
    """

    experiment: str
    teams: tuple[str, str]
    second: Choice


class ModelSelector(Protocol):
    """Says which model answers; it does not change while a request is answered."""

    @property
    def fallback(self) -> Scorer:
        """The model that scores where the one selected fails."""
        ...

    @property
    def similar_items(self) -> SimilarItems:
        """The model that says which items are similar."""
        ...

    def select(self, user: UserContext) -> Choice:
        """Return how a user's items are ranked."""
        ...


class ModelSource(Protocol):
    """Gives each request its selector; models may be swapped between requests."""

    def selection(self) -> ModelSelector:
        """Return what answers a request that begins now."""
        ...
