"""Collect the rows of all items as columns, in chunks, so that no row is kept."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.attribute_values import SetValues, comparable, values_of
from recommender.catalog.item_keys import fold_keys, words_of_keys
from recommender.domains.base import Domain
from recommender.entities import CatalogEntry
from recommender.errors import ConfigurationError
from recommender.texts.id_table import IdTexts


class CatalogColumns:
    """The ids and attributes of all items of a domain, as columns in the order in which they were read."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.values = [values_of(attribute.kind) for attribute in domain.filtered]
        self._ids: list[IdTexts] = []
        self._keys: list[bytes] = []
        self._widths: set[int] = set()
        self._items = 0

    def __len__(self) -> int:
        return self._items

    def add(self, entries: Sequence[CatalogEntry]) -> None:
        """Add more items.

        Raises:
            ValueError: an item does not have one value for each attribute that the domain filters by.
        """
        if not entries:
            return
        columns = zip(*(entry.values for entry in entries), strict=True)
        for values, column in zip(self.values, columns, strict=True):
            values.add(column)
        self._ids.append(IdTexts.of([entry.item_id for entry in entries]))
        # An overlay may return NULL for keys.
        keys = [entry.item_key or b"" for entry in entries]
        self._widths |= set(map(len, keys))
        self._keys.append(b"".join(keys))
        self._items += len(entries)

    @property
    def genre_count(self) -> int:
        """The sum of the items' numbers of genres, as written: comparing spellings would be slower."""
        genres = self.values[0]
        return genres.as_written if isinstance(genres, SetValues) else 0

    def ids(self) -> IdTexts:
        """Return the ids."""
        return IdTexts.joined(self._ids)

    def distinct(self, ids: IdTexts) -> NDArray[np.intp]:
        """Return the position of one row of each id, in the order of the ids; `ids` as returned by `ids()`.

        A view may return an item once per translation. The server returns its rows in any order, so that of
        different ones the smallest by its values is kept: the same one in each load.
        """
        order = ids.order()
        hashes = ids.hashes(0)[order]
        same = np.zeros(len(order) + 1, dtype=np.bool_)
        same[1:-1] = hashes[1:] == hashes[:-1]
        repeated = same[:-1] | same[1:]
        if not repeated.any():
            return order
        candidates = order[repeated]
        contents = zip(*(comparable(values, candidates) for values in self.values), strict=True)
        rows = zip(ids.texts_at(candidates), contents, candidates.tolist(), strict=True)
        kept = {item_id: position for item_id, _, position in sorted(rows, reverse=True)}
        return order[~repeated | np.isin(order, list(kept.values()))]

    def folded_keys(self) -> tuple[int, NDArray[np.uint64]]:
        """Return the number of 8-byte words in a key, and the folded number of each key (see `ItemKeys`).

        Raises:
            ConfigurationError: the keys differ in width, or it is not a multiple of 8 bytes.
        """
        try:
            words = words_of_keys(self._widths)
        except ValueError as exc:
            raise ConfigurationError(f"catalog_db/fetch_catalogue returns {exc}") from exc
        return words, np.concatenate([fold_keys(keys, words) for keys in (b"", *self._keys)])


def columns_of(entries: Iterable[CatalogEntry], domain: Domain) -> CatalogColumns:
    """Return items as columns; see `CatalogColumns.add`."""
    return columns_in_chunks([list(entries)], domain)


def columns_in_chunks(chunks: Iterable[Sequence[CatalogEntry]], domain: Domain) -> CatalogColumns:
    """Return items that are read some hundred at a time as columns; see `CatalogColumns.add`."""
    columns = CatalogColumns(domain)
    for chunk in chunks:
        columns.add(chunk)
    return columns
