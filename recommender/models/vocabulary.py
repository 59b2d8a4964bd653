"""The items that a trained model knows, and their indices in a catalog index."""

import weakref
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.errors import ArtifactError
from recommender.texts.id_table import IdTable, IdTexts

_KEPT_INDEXES = 3
_UNKNOWN = -1
# Ids processed together.
_CHUNK = 10_000


class _InIndex(NamedTuple):
    """The items of a model and those of a catalog index.

    `catalog`: a weak reference, so that a replaced index does not stay in memory. `catalog_idx`: the index in
    the catalog of each of the model's items, -1 for none. `model_idx`: by index in `popularity.ids`, the
    model's index, -1 for none; the last entry is -1.
    """

    catalog: "weakref.ref[CatalogIndex]"
    catalog_idx: NDArray[np.intp]
    model_idx: NDArray[np.int32]


class ItemVocabulary:
    """The items of a model, in the order of its arrays."""

    def __init__(self, item_ids: Sequence[str]) -> None:
        self.item_ids = item_ids if isinstance(item_ids, IdTexts) else IdTexts.of(item_ids)
        self._table = IdTable(self.item_ids)
        # For the latest `_KEPT_INDEXES` catalog indexes seen.
        self._known: tuple[_InIndex, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def index_of(self, item_id: str) -> int:
        """Return the index of an item, -1 for an unknown one."""
        return int(self._table.locate([item_id])[0])

    def indices_of(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the index of each item, -1 for unknown ones; same length."""
        return self._table.locate(item_ids)

    def catalog_idx_in(self, index: CatalogIndex) -> NDArray[np.intp]:
        """Return the item_idx of each item in a catalog index, -1 for none; shape (items,)."""
        return self._placed_in(index).catalog_idx

    def indices_of_history(
        self, index: CatalogIndex, item_ids: Sequence[str], found: NDArray[np.intp]
    ) -> NDArray[np.int64]:
        """Return what `indices_of` does, without another search for ids that the index has.

        Args:
            index: where they were searched before.
            item_ids: the ids.
            found: parallel, their indices in its `popularity.ids`, -1 for none.
        """
        model_idx = self._placed_in(index).model_idx[found].astype(np.int64)
        unknown = np.flatnonzero(found < 0)
        if unknown.size:
            model_idx[unknown] = self.indices_of([item_ids[i] for i in unknown.tolist()])
        return model_idx

    def _placed_in(self, index: CatalogIndex) -> _InIndex:
        before = self._known
        for known in before:
            if known.catalog() is index:
                return known
        ids = index.popularity.ids
        found = ids.locate(self.item_ids)
        model_idx = np.full(len(ids) + 1, _UNKNOWN, dtype=np.int32)
        model_idx[found] = np.arange(len(found))
        model_idx[-1] = _UNKNOWN
        found[found >= len(index.item_ids)] = _UNKNOWN
        made = _InIndex(weakref.ref(index), found, model_idx)
        alive = [known for known in before if known.catalog() is not None]
        self._known = (made, *alive)[:_KEPT_INDEXES]
        return made

    def known_share(self, index: CatalogIndex) -> float:
        """Return the share of the items that are in a catalog index, 0 to 1."""
        return float((self.catalog_idx_in(index) >= 0).mean()) if self.item_ids else 0.0

    def covered_share(self, index: CatalogIndex) -> float:
        """Return the share of the popularity of an index's items that is of items known here, 0 to 1."""
        catalog_idx = self.catalog_idx_in(index)
        total = int(index.user_counts.sum())
        return float(index.user_counts[catalog_idx[catalog_idx >= 0]].sum() / total) if total else 0.0


def encode_ids(ids: Sequence[str]) -> NDArray[np.bytes_]:
    """Return ids as an array of byte strings, the format of artifacts; shape (ids,)."""
    return np.array([text.encode() for text in ids], dtype=np.bytes_)


def decode_item_ids(item_ids: NDArray[np.bytes_]) -> ItemVocabulary:
    """Return the vocabulary of an artifact's ids.

    Raises:
        ArtifactError: they are not a non-empty list of distinct byte strings in UTF-8.
    """
    check_item_ids("item_ids", item_ids)
    return ItemVocabulary(IdTexts.of_byte_strings(item_ids))


def check_item_ids(name: str, item_ids: NDArray[np.bytes_]) -> None:
    """Refuse an array that is not a non-empty list of distinct byte strings in UTF-8.

    Raises:
        ArtifactError: the message begins with the `name` of the array.
    """
    if item_ids.dtype.kind != "S" or item_ids.ndim != 1 or not item_ids.size:
        raise ArtifactError(f"{name}: must be a list of byte strings, and not empty")
    ordered = np.sort(item_ids)
    if (ordered[1:] == ordered[:-1]).any():
        raise ArtifactError(f"{name}: must not repeat")
    if not _are_utf8(item_ids):
        raise ArtifactError(f"{name}: must be UTF-8")


def _are_utf8(texts: NDArray[np.bytes_]) -> bool:
    """Return whether all byte strings are valid UTF-8."""
    for start in range(0, len(texts), _CHUNK):
        try:
            # Joined by a byte that is never a part of a character.
            b"\n".join(texts[start : start + _CHUNK].tolist()).decode()
        except UnicodeDecodeError:
            return False
    return True
