"""ease: a linear model between items in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (WWW 2019): with the matrix X of users × items,
P = (XᵀX + λI)^-1 and the weight from item i to item j is -P[i, j] / P[j, j], and 0 on the diagonal.

With fewer users than items, P is computed from the smaller inverse over users, by the Woodbury identity:
P = (I - Xᵀ (XXᵀ + λI)^-1 X) / λ.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recommender.data.dataset import Dataset
from recommender.models.fitting import Estimate, Fitting
from recommender.models.item_weights import ItemWeightsConfig, ItemWeightsModel
from recommender.models.weight_arrays import ItemWeights, TargetWeights, largest_of_rows, weights_by_source

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Measured on two cores, in seconds: a × s³ for the inverse of an s × s matrix, b per pair of a user's items
# for counting common users, and c per pair of items for choosing the largest weights.
_SECONDS_A_SIDE_CUBED, _SECONDS_A_SHARED_PAIR, _SECONDS_A_WEIGHT = 8e-12, 2e-8, 1.5e-8
# Bytes of float32, which is inverted in place; and for the interactions and the kept weights.
_BYTES_A_CELL, _BYTES_A_PAIR, _BYTES_A_KEPT_WEIGHT = 4, 64, 56
# Cells of the inverse that are processed together, and bytes per cell.
_BLOCK_CELLS, _BYTES_A_BLOCK_CELL = 4_000_000, 32
# A model with fewer items is useless.
_FEWEST_ITEMS = 1_000
# Shares of the time: the inverse cannot report its progress.
_COUNTED, _INVERTED = 0.2, 0.7

# Returns rows of P, by their indices.
Rows = Callable[[NDArray[np.intp]], NDArray[np.float32]]


class EaseConfig(ItemWeightsConfig):
    """Hyperparameters of `Ease`."""

    regularisation: float = Field(default=200.0, gt=0.0, allow_inf_nan=False)
    """λ: a larger one lowers the influence of small numbers of users."""
    watch_value: float = Field(default=0.5, ge=0.0, le=1.0, allow_inf_nan=False)
    """The weight of a watch, relative to a like, in training and in a user's history."""
    min_users: int = Field(default=5, ge=1)
    """Items with fewer users are not learned."""
    weights: int = Field(default=500, ge=1)
    """How many weights to each item are kept, by absolute value."""
    items: int | None = Field(default=None, ge=1)
    """How many of the most popular items are learned; None for all that fit into the allowed memory."""


class Unique(NamedTuple):
    """The distinct columns of a matrix.

    `columns`: users × groups of equal columns, times the square root of the group's size. `group_of`: the
    group of each given column. `sizes`: of the groups.
    """

    columns: "csr_array"
    group_of: NDArray[np.intp]
    sizes: NDArray[np.int64]


class Ease(ItemWeightsModel[EaseConfig]):
    """Score an item by a regression on the items of a user's history."""

    name = "ease"
    config_kind = EaseConfig

    def history_weights(
        self,
        ranks: NDArray[np.intp],  # noqa: ARG002 - the order does not count
        liked: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Return 1 for liked items, and the weight of a watch for others."""
        return np.where(liked, 1.0, self.config.watch_value)

    def estimate(self, data: Dataset) -> Estimate:
        """Return the time and memory of inverting a dense matrix of the items to be learned."""
        items = len(self._candidates(data))
        side = float(min(items, len(data.user_ids)))
        sizes = np.diff(data.user_start).astype(np.float64)
        seconds = (
            _SECONDS_A_SIDE_CUBED * side**3
            + _SECONDS_A_SHARED_PAIR * float((sizes**2).sum())
            + _SECONDS_A_WEIGHT * float(items) ** 2
        )
        least = items if self.config.items is not None else min(items, _FEWEST_ITEMS)
        return Estimate(seconds, self._bytes_of(data, items), self._bytes_of(data, least))

    def learn(self, data: Dataset, fitting: Fitting) -> ItemWeights:
        """Return the weights of the closed form."""
        learned = self._candidates(data)
        if self.config.items is None:
            learned = learned[: self._items_within(data, len(learned), fitting.memory_bytes)]
        learned = np.sort(learned)
        unique = unique_columns(self._interactions(data, learned))
        regularisation = self.config.regularisation
        users, groups = unique.columns.shape
        invert = _rows_through_users if users < groups else _rows_through_items
        rows = invert(unique.columns, regularisation, fitting)
        targets: list[TargetWeights] = []
        for block in _weights_to(unique, rows, regularisation):
            targets += largest_of_rows(block, self.config.weights)
            fitting.report(_INVERTED + (1.0 - _INVERTED) * len(targets) / len(learned))
        return weights_by_source([data.item_ids[item] for item in learned], targets)

    def _values(self, data: Dataset) -> NDArray[np.float32]:
        return np.where(data.liked, 1.0, self.config.watch_value).astype(np.float32)

    def _candidates(self, data: Dataset) -> NDArray[np.intp]:
        """Return the items to learn if memory allows, the most popular first, ties by id."""
        counted = data.item_idx[self._values(data) > 0.0]
        users = np.bincount(counted, minlength=len(data.item_ids))
        order = np.argsort(-users, kind="stable")
        # If no item has enough users, those with the most are better than none.
        enough = users[order] >= min(self.config.min_users, users.max())
        candidates: NDArray[np.intp] = order[enough][: self.config.items]
        return candidates

    def _bytes_of(self, data: Dataset, items: int) -> int:
        """Return the peak memory in bytes of learning so many items, in addition to the dataset."""
        side = min(items, len(data.user_ids))
        block = min(items**2, max(_BLOCK_CELLS, items))
        kept = items * min(items, self.config.weights)
        return (
            _BYTES_A_CELL * side**2
            + _BYTES_A_BLOCK_CELL * block
            + _BYTES_A_PAIR * len(data.item_idx)
            + _BYTES_A_KEPT_WEIGHT * kept
        )

    def _items_within(self, data: Dataset, items: int, memory_bytes: int) -> int:
        """Return how many items fit into memory, by bisection: more items never take less."""
        least, most = min(items, _FEWEST_ITEMS), items
        while least < most:
            middle = (least + most + 1) // 2
            if self._bytes_of(data, middle) <= memory_bytes:
                least = middle
            else:
                most = middle - 1
        return least

    def _interactions(self, data: Dataset, learned: NDArray[np.intp]) -> "csr_array":
        """Return what each user's like or watch of each learned item counts; shape (users, items)."""
        # Only training needs it.
        from scipy.sparse import csr_array  # noqa: PLC0415 - see above

        whole = data.matrix(self._values(data))
        whole.eliminate_zeros()
        return csr_array(whole[:, learned])


def unique_columns(matrix: "csr_array") -> Unique:
    """Return the distinct columns of a matrix.

    Items with the same users are one column of the inverse, so that rounding cannot make them differ.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - only training needs it

    columns = matrix.tocsc()
    columns.sort_indices()
    groups: dict[tuple[bytes, bytes], int] = {}
    group_of = np.empty(columns.shape[1], dtype=np.intp)
    for item in range(len(group_of)):
        entries = slice(columns.indptr[item], columns.indptr[item + 1])
        key = columns.indices[entries].tobytes(), columns.data[entries].tobytes()
        group_of[item] = groups.setdefault(key, len(groups))
    first = np.unique(group_of, return_index=True)[1]
    sizes = np.bincount(group_of)
    scaled = columns[:, first]
    scaled.data *= np.repeat(np.sqrt(sizes), np.diff(scaled.indptr)).astype(np.float32)
    return Unique(csr_array(scaled), group_of, sizes)


def _rows_through_items(columns: "csr_array", regularisation: float, fitting: Fitting) -> Rows:
    """Return the rows of (XᵀX + λI)^-1 from the inverse over items."""
    inverse = _inverse(_gram(columns.T.tocsr(), columns, fitting), regularisation)
    fitting.report(_INVERTED)
    return lambda row_idx: _symmetric_rows(inverse, row_idx)


def _rows_through_users(columns: "csr_array", regularisation: float, fitting: Fitting) -> Rows:
    """Return the rows of (XᵀX + λI)^-1 from the inverse over users, by the Woodbury identity."""
    by_item = columns.T.tocsr()
    inverse = _inverse(_gram(columns, by_item, fitting), regularisation)
    whole = np.arange(len(inverse))
    for first in range(0, len(inverse), _block_rows(len(inverse))):
        row_idx = whole[first : first + _block_rows(len(inverse))]
        inverse[row_idx] = _symmetric_rows(inverse, row_idx)
    fitting.report(_INVERTED)

    def rows(row_idx: NDArray[np.intp]) -> NDArray[np.float32]:
        shared = np.asarray((by_item[row_idx] @ inverse) @ columns, dtype=np.float32)
        np.negative(shared, out=shared)
        shared[np.arange(len(row_idx)), row_idx] += 1.0
        shared /= np.float32(regularisation)
        return shared

    return rows


def _gram(left: "csr_array", right: "csr_array", fitting: Fitting) -> NDArray[np.float32]:
    """Return left × right as a dense matrix; shape (rows, rows)."""
    side = left.shape[0]
    gram = np.empty((side, side), dtype=np.float32)
    for first in range(0, side, _block_rows(side)):
        fitting.report(_COUNTED * first / side)
        block = slice(first, first + _block_rows(side))
        gram[block] = (left[block] @ right).toarray()
    return gram


def _inverse(gram: NDArray[np.float32], regularisation: float) -> NDArray[np.float32]:
    """Replace `gram` by (gram + λI)^-1, on and above the diagonal only, and return it.

    By Cholesky in float32: half the memory and time of float64, and with λ the matrix is well-conditioned.
    """
    from scipy.linalg.lapack import spotrf, spotri  # noqa: PLC0415 - only training needs it

    np.fill_diagonal(gram, gram.diagonal() + np.float32(regularisation))
    # It is symmetric: its transpose is the same matrix in the memory order that LAPACK overwrites in place.
    factor, failed = spotrf(gram.T, lower=1, clean=0, overwrite_a=1)
    if not failed:
        inverse, failed = spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise ArithmeticError(f"the matrix is not positive definite, at {failed}")
    result: NDArray[np.float32] = inverse.T
    return result


def _symmetric_rows(upper: NDArray[np.float32], row_idx: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return rows of a symmetric matrix that is valid only on and above the diagonal."""
    rows = upper[row_idx]
    for row, idx in zip(rows, row_idx.tolist(), strict=True):
        row[:idx] = upper[:idx, idx]
    return rows


def _weights_to(unique: Unique, rows: Rows, regularisation: float) -> Iterator[NDArray[np.float32]]:
    """Yield the weights from all items to some items, block by block; shape (targets, items).

    P of all items follows from P' of the distinct columns: with n items equal to i, and m equal to j,
    P[i, j] = P'[i, j] / sqrt(n × m), plus [i = j] / λ - 1 / (λ × n) if i and j are equal columns.
    """
    group_of, sizes = unique.group_of, unique.sizes
    items = len(group_of)
    scale = (1.0 / np.sqrt(sizes)).astype(np.float32)
    repeated = len(sizes) < items
    for first in range(0, items, _block_rows(items)):
        targets = np.arange(first, min(first + _block_rows(items), items))
        groups = group_of[targets]
        block = rows(groups)
        if repeated:
            block = (block * (scale[groups, None] * scale))[:, group_of]
            for row in np.flatnonzero(sizes[groups] > 1).tolist():
                excess = np.float32(1.0 / (regularisation * sizes[groups[row]]))
                block[row, group_of == groups[row]] -= excess
                block[row, targets[row]] += np.float32(1.0 / regularisation)
        own = np.arange(len(targets)), targets
        block /= -block[own][:, None]
        block[own] = 0.0
        yield block


def _block_rows(columns: int) -> int:
    """Return how many rows are processed together."""
    return max(1, _BLOCK_CELLS // columns)
