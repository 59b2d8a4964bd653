"""The items that a trained model knows, and where they stand in a catalog index."""

import weakref
from collections.abc import Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.index import CatalogueIndex
from recommender.errors import ArtifactError


class ItemVocabulary:
    """Numbers the items of a model, in the order in which its arrays have them."""

    def __init__(self, item_ids: Sequence[str]) -> None:
        self.item_ids = item_ids
        self._numbers = {item_id: number for number, item_id in enumerate(item_ids)}
        # For the index that was asked with last. Only referred to weakly: an index that has been replaced
        # takes as much memory as the new one.
        self._placed: tuple[weakref.ref[CatalogueIndex] | None, NDArray[np.intp]] = (
            None,
            np.empty(0, dtype=np.intp),
        )

    def __len__(self) -> int:
        return len(self.item_ids)

    def number_of(self, item_id: str) -> int:
        """Return the number of an item, -1 for one that the model does not know."""
        return self._numbers.get(item_id, -1)

    def numbers_of(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the number of each item, -1 for those that the model does not know; same length."""
        return np.fromiter(map(self._numbers.get, item_ids, repeat(-1)), dtype=np.int64, count=len(item_ids))

    def positions_in(self, index: CatalogueIndex) -> NDArray[np.intp]:
        """Return each item's position in a catalog index, -1 where it is not there; shape (items,)."""
        placed, positions = self._placed
        if placed is None or placed() is not index:
            positions = index.locate(self.item_ids)
            self._placed = (weakref.ref(index), positions)
        return positions

    def known_share(self, index: CatalogueIndex) -> float:
        """Return the share of the items that are in a catalog index, 0 to 1."""
        return float((self.positions_in(index) >= 0).mean()) if self.item_ids else 0.0


def encode_item_ids(item_ids: Sequence[str]) -> NDArray[np.bytes_]:
    """Return ids as the array of byte strings that an artifact keeps."""
    return np.array([item_id.encode() for item_id in item_ids], dtype=np.bytes_)


def decode_item_ids(item_ids: NDArray[np.bytes_]) -> ItemVocabulary:
    """Return the vocabulary of an artifact's ids.

    Raises:
        ArtifactError: they are no list of byte strings in UTF-8, each once, or there are none.
    """
    if item_ids.dtype.kind != "S" or item_ids.ndim != 1 or not item_ids.size:
        raise ArtifactError("item_ids: must be a list of byte strings, and not empty")
    ids: list[bytes] = item_ids.tolist()
    if len(set(ids)) < len(ids):
        raise ArtifactError("item_ids: must be there once each")
    try:
        return ItemVocabulary([item_id.decode() for item_id in ids])
    except UnicodeDecodeError:
        raise ArtifactError("item_ids: must be UTF-8") from None
