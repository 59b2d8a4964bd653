"""Weights between items as arrays: how they are built, read and checked."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ArtifactError
from recommender.models.vocabulary import check_item_ids, encode_ids
from recommender.system.compiled import compiled_or


class ItemWeights(NamedTuple):
    """Weights between items.

    Those from item s are weights[source_start[s]:source_start[s + 1]], and `target_idx`, parallel and
    ascending, says to which items. Those to item t are the entries of these arrays that
    to_target[target_start[t]:target_start[t + 1]] names, ascending. `item_ids`: byte strings.
    """

    item_ids: NDArray[np.bytes_]
    source_start: NDArray[np.int64]
    target_idx: NDArray[np.int32]
    weights: NDArray[np.float32]
    target_start: NDArray[np.int64]
    to_target: NDArray[np.int64]

    def of_target(self, target: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the source items of the weights to an item, ascending, and the weights."""
        entries = self.to_target[self.target_start[target] : self.target_start[target + 1]]
        sources = np.searchsorted(self.source_start, entries, side="right") - 1
        return sources, self.weights[entries].astype(np.float64)

    def of_source(self, source: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the target items of the weights from an item, ascending, and the weights."""
        entries = slice(self.source_start[source], self.source_start[source + 1])
        return self.target_idx[entries].astype(np.intp), self.weights[entries].astype(np.float64)


class TargetWeights(NamedTuple):
    """The weights to one item: parallel, from which items, ascending, and how much."""

    source_idx: NDArray[np.int32]
    weights: NDArray[np.float32]


def largest_weights(
    weights: NDArray[np.floating[Any]], source_idx: NDArray[np.integer[Any]], top_k: int
) -> TargetWeights:
    """Return the `top_k` weights that are furthest from 0, without those that are 0; ties by index.

    Args:
        weights, source_idx: parallel, the weights to one item; `source_idx` ascending.
        top_k: how many are kept.
    """
    kept = np.flatnonzero(_furthest_from_0(weights[None], top_k)[0])
    return TargetWeights(source_idx[kept].astype(np.int32), weights[kept].astype(np.float32))


def largest_of_rows(rows: NDArray[np.floating[Any]], top_k: int) -> list[TargetWeights]:
    """Return for each row what `largest_weights` keeps of it; shape (targets, sources).

    Takes three times the memory of the rows.
    """
    target, source = np.nonzero(_furthest_from_0(rows, top_k))
    ends = np.cumsum(np.bincount(target, minlength=len(rows)))[:-1]
    weights = np.split(rows[target, source].astype(np.float32), ends)
    return list(map(TargetWeights, np.split(source.astype(np.int32), ends), weights))


def _furthest_from_0(rows: NDArray[np.floating[Any]], top_k: int) -> NDArray[np.bool_]:
    """Return which are the `top_k` of each row, without those that are 0; same shape."""
    sizes = np.abs(rows)
    columns = rows.shape[1]
    if columns <= top_k:
        return np.asarray(sizes > 0)
    least = np.partition(sizes, columns - top_k, axis=1)[:, columns - top_k, None]
    kept = sizes >= least
    # Of ties with the last one kept, keep the first.
    for row in np.flatnonzero(np.count_nonzero(kept, axis=1) > top_k):
        level = np.flatnonzero(sizes[row] == least[row])
        kept[row, level[top_k - np.count_nonzero(kept[row]) :]] = False
    return np.asarray(kept & (sizes > 0))


def weights_by_source(item_ids: Sequence[str], targets: Iterable[TargetWeights]) -> ItemWeights:
    """Return weights in the order of the items they come from.

    Args:
        item_ids: of all items.
        targets: the weights to each item, in the order of `item_ids`.
    """
    # Only training needs it.
    from scipy.sparse import csc_array, csr_array  # noqa: PLC0415 - see above

    given = list(targets)
    items = len(item_ids)
    source_idx = np.concatenate([each.source_idx for each in given])
    weights = np.concatenate([each.weights for each in given])
    target_start = np.concatenate(([0], np.cumsum([len(each.weights) for each in given]))).astype(np.int64)
    # Converting is a counting sort: several times as fast as a comparison sort.
    by_source = csr_array(csc_array((weights, source_idx, target_start), shape=(items, items)))
    numbers = np.arange(len(weights), dtype=np.int64)
    to_target = csc_array(csr_array((numbers, by_source.indices, by_source.indptr), shape=(items, items)))
    return ItemWeights(
        item_ids=encode_ids(item_ids),
        source_start=by_source.indptr.astype(np.int64),
        target_idx=by_source.indices.astype(np.int32),
        weights=by_source.data.astype(np.float32),
        target_start=target_start,
        to_target=to_target.data.astype(np.int64),
    )


def _add_weights_in_numpy(
    sums: NDArray[np.float64],
    history: tuple[NDArray[np.int64], NDArray[np.float64]],
    source_start: NDArray[np.int64],
    target_idx: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> None:
    """Do what `add_weights` does, without a compiler."""
    for source, count in zip(*history, strict=True):
        part = slice(source_start[source], source_start[source + 1])
        # Each target occurs once in a part.
        sums[target_idx[part]] += count * weights[part]


@compiled_or(_add_weights_in_numpy)
def add_weights(
    sums: NDArray[np.float64],
    history: tuple[NDArray[np.int64], NDArray[np.float64]],
    source_start: NDArray[np.int64],
    target_idx: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> None:
    """Add the weights from each item of a history to the sums of the items they lead to.

    Args:
        sums: shape (items,), added to in place, always in the order of the history.
        history: parallel, indices of items, and how much each of them counts.
        source_start, target_idx, weights: of `ItemWeights`.
    """
    sources, counts = history
    for i in range(sources.size):
        # Unsigned: the loop need not check for negative indices.
        source, count = np.uint64(sources[i]), counts[i]
        start, end = np.uint64(source_start[source]), np.uint64(source_start[source + np.uint64(1)])
        for entry in range(start, end):
            sums[np.uint32(target_idx[entry])] += count * weights[entry]


def check_weights(weights: ItemWeights) -> None:
    """Refuse arrays that are not weights between items: types, shapes, ranges, order.

    Raises:
        ArtifactError: the message names the array and what is wrong.
    """
    check_item_ids("item_ids", weights.item_ids)
    _check_forms(weights)
    _check_starts("source_start", weights.source_start, weights.weights.size)
    _check_starts("target_start", weights.target_start, weights.weights.size)
    items, entries = weights.item_ids.size, weights.weights.size
    if entries and (weights.target_idx.min() < 0 or weights.target_idx.max() >= items):
        raise ArtifactError(f"target_idx: must be from 0 to below {items}")
    _check_ascending("target_idx", weights.target_idx, weights.source_start)
    if entries and (weights.to_target.min() < 0 or weights.to_target.max() >= entries):
        raise ArtifactError(f"to_target: must be from 0 to below {entries}")
    _check_ascending("to_target", weights.to_target, weights.target_start)
    targets = np.repeat(np.arange(items, dtype=np.int32), np.diff(weights.target_start))
    if not np.array_equal(weights.target_idx[weights.to_target], targets):
        raise ArtifactError("to_target: must name the weights to each item")
    if not np.isfinite(weights.weights).all():
        raise ArtifactError("weights: must be finite")


def _check_forms(weights: ItemWeights) -> None:
    items, entries = weights.item_ids.size, weights.weights.size
    forms: dict[str, tuple[NDArray[Any], type[np.generic], tuple[int, ...]]] = {
        "source_start": (weights.source_start, np.int64, (items + 1,)),
        "target_idx": (weights.target_idx, np.int32, (entries,)),
        "weights": (weights.weights, np.float32, (entries,)),
        "target_start": (weights.target_start, np.int64, (items + 1,)),
        "to_target": (weights.to_target, np.int64, (entries,)),
    }
    for name, (array, dtype, shape) in forms.items():
        if array.dtype != np.dtype(dtype) or array.shape != shape:
            raise ArtifactError(f"{name}: must be {np.dtype(dtype)} of shape {shape}")
        if not (array.flags.c_contiguous and array.flags.aligned):
            raise ArtifactError(f"{name}: must be aligned and in C order")


def _check_starts(name: str, starts: NDArray[np.int64], entries: int) -> None:
    if starts[0] != 0 or starts[-1] != entries or (starts[1:] < starts[:-1]).any():
        raise ArtifactError(f"{name}: must go from 0 to {entries} and not decrease")


def _check_ascending(name: str, array: NDArray[Any], starts: NDArray[np.int64]) -> None:
    not_later = np.flatnonzero(array[1:] <= array[:-1]) + 1
    if not np.isin(not_later, starts).all():
        raise ArtifactError(f"{name}: those of one item must be sorted and not repeat")
