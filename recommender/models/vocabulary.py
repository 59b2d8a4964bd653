"""The items that a trained model knows, and their indices in a catalog index."""

import weakref
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.errors import ArtifactError
from recommender.id_table import IdTable, IdTexts

_KEPT_INDEXES = 3
# Ids processed together.
_STRETCH = 10_000


class ItemVocabulary:
    """Number the items of a model in the order of its arrays."""

    def __init__(self, item_ids: Sequence[str]) -> None:
        self.item_ids = item_ids if isinstance(item_ids, IdTexts) else IdTexts.of(item_ids)
        self._table = IdTable(self.item_ids)
        # For the last indexes: the one in use, and the next one. References are weak, so that a replaced
        # index does not stay in memory.
        self._placed: tuple[tuple[weakref.ref[CatalogIndex], NDArray[np.intp]], ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def number_of(self, item_id: str) -> int:
        """Return the number of an item, -1 for an unknown one."""
        return int(self._table.locate([item_id])[0])

    def numbers_of(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the number of each item, -1 for unknown ones; same length."""
        return self._table.locate(item_ids)

    def positions_in(self, index: CatalogIndex) -> NDArray[np.intp]:
        """Return the item_idx of each item in a catalog index, -1 for none; shape (items,)."""
        placed = self._placed
        for known, positions in placed:
            if known() is index:
                return positions
        positions = index.locate(self.item_ids)
        alive = [each for each in placed if each[0]() is not None]
        self._placed = ((weakref.ref(index), positions), *alive)[:_KEPT_INDEXES]
        return positions

    def known_share(self, index: CatalogIndex) -> float:
        """Return the share of the items that are in a catalog index, 0 to 1."""
        return float((self.positions_in(index) >= 0).mean()) if self.item_ids else 0.0


def encode_item_ids(item_ids: Sequence[str]) -> NDArray[np.bytes_]:
    """Return ids as an array of byte strings, the format of artifacts."""
    return np.array([item_id.encode() for item_id in item_ids], dtype=np.bytes_)


def decode_item_ids(item_ids: NDArray[np.bytes_]) -> ItemVocabulary:
    """Return the vocabulary of an artifact's ids.

    Raises:
        ArtifactError: they are not a non-empty list of distinct byte strings in UTF-8.
    """
    if item_ids.dtype.kind != "S" or item_ids.ndim != 1 or not item_ids.size:
        raise ArtifactError("item_ids: must be a list of byte strings, and not empty")
    if not are_distinct(item_ids):
        raise ArtifactError("item_ids: must not repeat")
    if not are_utf8(item_ids):
        raise ArtifactError("item_ids: must be UTF-8")
    return ItemVocabulary(IdTexts.of_byte_strings(item_ids))


def are_distinct(texts: NDArray[np.bytes_]) -> bool:
    """Return whether all byte strings are distinct."""
    ordered = np.sort(texts)
    return bool((ordered[1:] != ordered[:-1]).all())


def are_utf8(texts: NDArray[np.bytes_]) -> bool:
    """Return whether all byte strings are valid UTF-8."""
    for start in range(0, len(texts), _STRETCH):
        try:
            # Joined by a byte that is never a part of a character.
            b"\n".join(texts[start : start + _STRETCH].tolist()).decode()
        except UnicodeDecodeError:
            return False
    return True
