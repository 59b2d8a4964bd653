"""als: factors of users and items from implicit feedback, by alternating least squares.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (ICDM 2008), trained with the
library `implicit`. Only the item factors Y are kept. A user is folded in from the live history: x solves
(YᵀY + (alpha - 1) Σ y yᵀ + regularisation × I) x = alpha × Σ y, over the y of the items of the history, and
the score of an item is y · x.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from config.setting_types import how_to_install
from recommender.catalog.index import CatalogIndex
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.errors import ArtifactError, ConfigurationError
from recommender.models.base import (
    NO_SCORES,
    ItemScores,
    ItemSimilarities,
    ScoreExplanation,
    Scores,
    UserContext,
    Window,
)
from recommender.models.configured import ConfiguredModel
from recommender.models.files import check_form, load_config, map_arrays, save_arrays, save_config
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.item_weights import largest_contributions
from recommender.models.vocabulary import ItemVocabulary, decode_item_ids, encode_ids
from recommender.models.whole_scores import scores_of_floats

# Factors have 24 bits: products smaller than this share of the largest are rounding errors.
_NOISE = 1e-5
# Smaller cosines are rounding errors, too.
_LEAST_SIMILARITY = 1e-3
# Bytes per pair, for the matrix by users and by items with copies; and per factor, with copies.
_BYTES_A_PAIR, _BYTES_A_FACTOR = 40, 12
# Measured with 32, 64 and 128 factors: for small systems, the calls cost more than the computation.
_SECONDS_A_PAIR_AND_FACTORS_SQUARED, _SECONDS_A_ROW_AND_FACTOR = 1e-10, 4e-7
_SEEDS = 1 << 32


class AlsConfig(BaseModel):
    """Hyperparameters of `Als`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    factors: int = Field(default=64, ge=1, le=1_024)
    """The number of factors of an item."""
    iterations: int = Field(default=15, ge=1)
    """The number of alternations between users and items."""
    regularisation: float = Field(default=30.0, gt=0.0, allow_inf_nan=False)
    """λ: a larger one lowers the influence of short histories."""
    alpha: float = Field(default=2.0, ge=1.0, allow_inf_nan=False)
    """The weight of a like or watch; a missing one has the weight 1."""
    history: int = Field(default=1_000, ge=1)
    """How many of a user's latest items count. Read when scoring: a change needs no training."""
    seed: int = Field(default=0, ge=0, lt=_SEEDS)
    """The seed of the initial factors."""


class _FoldedIn(NamedTuple):
    """A user's `history` as model_idx, and the matrix of the `system`, shape (factors, factors)."""

    history: NDArray[np.int64]
    system: NDArray[np.float64]


class Als(ConfiguredModel[AlsConfig]):
    """Score an item by the product of its factors and those of the user, from the user's history.

    In its folder, `factors.npy` holds the embeddings of the items in `item_ids.npy`, for other programs.
    """

    name = "als"
    config_kind = AlsConfig

    @property
    def sizes(self) -> Mapping[str, int]:
        """The number of items."""
        return {"media": len(self._items)}

    def estimate(self, data: Dataset) -> Estimate:
        """Return the time and memory of solving the systems of all users and items."""
        factors, rows = self._config.factors, len(data.user_ids) + len(data.item_ids)
        pairs = len(data.item_idx)
        each = 2 * _SECONDS_A_PAIR_AND_FACTORS_SQUARED * pairs * factors**2
        each += _SECONDS_A_ROW_AND_FACTOR * rows * factors
        return Estimate(
            self._config.iterations * each, _BYTES_A_PAIR * pairs + _BYTES_A_FACTOR * rows * factors
        )

    def fit(self, data: Dataset, fitting: Fitting = UNBOUNDED) -> None:
        """Learn the factors of the items; on one machine, the same data gives the same factors."""
        fitting.refuse_beyond(self.name, self.estimate(data).memory_bytes)
        factors = _learn(data, self._config, fitting)
        wide = factors.astype(np.float64)
        self._use(ItemVocabulary(data.item_ids), factors, wide.T @ wide)
        fitting.report(1.0)

    def save(self, folder: Path) -> None:
        """Write factors, their Gram matrix and hyperparameters into a folder."""
        item_ids = encode_ids(self._items.item_ids)
        save_arrays(folder, {"item_ids": item_ids, "factors": self._factors, "gram": self._gram})
        save_config(folder, self._config)

    @classmethod
    def load(cls, folder: Path, **overrides: object) -> Self:
        """Return the model that a folder holds, checked."""
        config = load_config(folder, AlsConfig, overrides)
        arrays = map_arrays(folder, ("item_ids", "factors", "gram"))
        items, gram = decode_item_ids(arrays["item_ids"]), arrays["gram"]
        check_form("factors", arrays["factors"], np.float32, (len(items), config.factors))
        check_form("gram", gram, np.float64, (config.factors, config.factors))
        if not np.allclose(gram, gram.T) or gram.diagonal().min() < 0.0:
            raise ArtifactError("gram: must be the product of a matrix and its transpose")
        model = cls(config)
        model._use(items, arrays["factors"], gram)
        return model

    def _use(self, items: ItemVocabulary, factors: NDArray[np.float32], gram: NDArray[np.float64]) -> None:
        self._items, self._factors, self._gram = items, factors, gram

    def score(
        self,
        users: Sequence[UserContext],
        items: CatalogIndex,
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> Scores:
        """Return the products of the factors of users and items, without rounding errors."""
        return [self._score(user, items) for user in users]

    def _score(self, user: UserContext, items: CatalogIndex) -> ItemScores:
        folded = self._fold_in(user, items)
        if not folded.history.size:
            return NO_SCORES
        catalog_idx = self._items.catalog_idx_in(items)
        products = self._products(self._factors_of(folded))
        known = catalog_idx >= 0
        largest = float(products[known].max(initial=0.0))
        found = np.flatnonzero(known & (products > _NOISE * largest))
        return scores_of_floats(products[found].astype(np.float64), catalog_idx[found])

    def explain(
        self,
        user: UserContext,
        scores: ItemScores,
        item_idx: NDArray[np.intp],
        items: CatalogIndex,
        top_k: int,
    ) -> ScoreExplanation:
        """Return the parts of the history's items in each score: alpha × y W⁻¹ y', with W the solved system.

        See section 5 of the paper.
        """
        catalog_idx = self._items.catalog_idx_in(items)
        folded = self._fold_in(user, items)
        source_idx = catalog_idx[folded.history]
        target_idx = self._items.indices_of([items.item_ids[idx] for idx in item_idx])
        own = self._factors[folded.history].astype(np.float64)
        solved = np.linalg.solve(folded.system, self._factors[target_idx].astype(np.float64).T)
        parts = self._config.alpha * (own @ solved).T
        parts[target_idx < 0] = 0.0
        floor = _NOISE * float(scores.values.max(initial=0)) / scores.steps
        return ScoreExplanation(largest_contributions(parts, source_idx, top_k, floor))

    def similar_items(
        self,
        item_id: str,
        items: CatalogIndex,
        window: Window,  # noqa: ARG002 - its window is the one it was trained with
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> ItemSimilarities:
        """Return the positive cosines of the item's factors with those of all others."""
        model_idx = self._items.index_of(item_id)
        catalog_idx = self._items.catalog_idx_in(items)
        if model_idx < 0:
            return ItemSimilarities(np.empty(0, dtype=np.intp), np.empty(0))
        norms = np.sqrt(np.einsum("if,if->i", self._factors, self._factors))
        products = self._products(self._factors[model_idx])
        cosines = products / np.maximum(norms * norms[model_idx], np.finfo(np.float32).tiny)
        found = np.flatnonzero((cosines > _LEAST_SIMILARITY) & (catalog_idx >= 0))
        return ItemSimilarities(catalog_idx[found], np.minimum(cosines[found], 1.0).astype(np.float64))

    def _products(self, factors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the product of each item's factors with the given ones; shape (items,).

        Not by BLAS, which sums equal rows in different orders, depending on their index.
        """
        return np.asarray(np.einsum("if,f->i", self._factors, factors.astype(np.float32)))

    def user_embeddings(self, data: Dataset) -> NDArray[np.float32]:
        """Return the factors of each user, from the user's history; shape (users, factors).

        An item's score is the product of its own factors and these.
        """
        found = np.zeros((len(data.user_ids), self._config.factors), dtype=np.float32)
        model_idx_of = self._items.indices_of(data.item_ids)
        for user in range(len(found)):
            # The latest come first.
            latest = data.item_idx[data.user_start[user] : data.user_start[user + 1]][: self._config.history]
            model_idx = model_idx_of[latest]
            found[user] = self._factors_of(self._system_of(model_idx[model_idx >= 0]))
        return found

    def _factors_of(self, folded: _FoldedIn) -> NDArray[np.float64]:
        own = self._factors[folded.history].astype(np.float64).sum(axis=0)
        return np.asarray(np.linalg.solve(folded.system, self._config.alpha * own))

    def _fold_in(self, user: UserContext, items: CatalogIndex) -> _FoldedIn:
        found = user.located_in(items).positive_idx[: self._config.history]
        model_idx = self._items.indices_of_history(items, user.history.positive_ids, found)
        return self._system_of(model_idx[model_idx >= 0])

    def _system_of(self, history: NDArray[np.int64]) -> _FoldedIn:
        own = self._factors[history].astype(np.float64)
        system = self._gram + (self._config.alpha - 1.0) * (own.T @ own)
        system[np.diag_indices_from(system)] += self._config.regularisation
        return _FoldedIn(history, system)


def _learn(data: Dataset, config: AlsConfig, fitting: Fitting) -> NDArray[np.float32]:
    """Return the factors of the items; shape (items, factors)."""
    # Only training needs them.
    try:
        from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415 - see above
    except ImportError:
        raise ConfigurationError(
            f"als learns with implicit, which is not installed: {how_to_install('als')}"
        ) from None
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - see above
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - see above

    # The library does not accept scipy's sparse arrays.
    interactions = csr_matrix(data.matrix(np.ones(len(data.item_idx), dtype=np.float32)))

    def report(iteration: int, *_: object) -> None:
        fitting.report((iteration + 1) / config.iterations)

    # The library has its own threads; those of BLAS would only compete with them.
    with threadpool_limits(1, "blas"):
        library = AlternatingLeastSquares(
            factors=config.factors,
            regularization=config.regularisation,
            alpha=config.alpha,
            iterations=config.iterations,
            # Solved exactly: conjugate gradients keep a rest of the random initial factors, so that items
            # with the same users would differ.
            use_cg=False,
            random_state=config.seed,
        )
        library.fit(interactions, show_progress=False, callback=report)
    return np.ascontiguousarray(library.item_factors, dtype=np.float32)
