"""Read items and their details from catalog_db."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

from config.setting_types import PROGRAM
from recommender.databases.connections import Row
from recommender.databases.database import Database
from recommender.deadline import Deadline
from recommender.domains.attributes import AttributeKind
from recommender.domains.base import Domain
from recommender.entities import CatalogEntry, Item
from recommender.errors import ConfigurationError
from recommender.texts.names import distinct_names, is_blank, shown_name

T = TypeVar("T")
_NONE_KNOWN: Mapping[str, Item] = {}
# Many items have the same set of genres, and every answer reads ten sets. At most 8 MB.
_CACHED_SETS, _CACHED_CHARACTERS = 4096, 400


def _read_text(text: str | None) -> str | None:
    # A page would show a blank title as an empty heading, and a reason would quote it.
    return None if text is None or is_blank(text) else text


def _read_category(name: str | None) -> str | None:
    return shown_name(name or "") or None


def _read_set(names: Sequence[str | None] | None) -> tuple[str, ...]:
    # An overlay may return NULLs in its lists.
    given = tuple(filter(None, names or ()))
    # Names may have any length, and the cache is bounded in bytes.
    read = _cached_set if len("".join(given)) <= _CACHED_CHARACTERS else _shown_set
    return read(given)


def _shown_set(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(distinct_names(names).values())


_cached_set = lru_cache(maxsize=_CACHED_SETS)(_shown_set)


def _read_number(number: float | None) -> float | None:
    # JSON has no NaN or infinity.
    return number if number is not None and math.isfinite(number) else None


_READERS: dict[AttributeKind, Callable[[Any], Any]] = {
    AttributeKind.TEXT: _read_text,
    AttributeKind.CATEGORY: _read_category,
    AttributeKind.SET: _read_set,
    AttributeKind.NUMBER: _read_number,
}


class CatalogDatabase:
    """Read catalog_db, whose rows hold the attributes that a domain declares."""

    def __init__(self, database: Database, domain: Domain) -> None:
        self._database = database
        names = [attribute.name for attribute in domain.shown]
        self._names = names
        # One per column after the id.
        self._readers = [
            (column, _READERS[attribute.kind])
            for column, attribute in enumerate(domain.shown, start=1)
            if attribute.kind in _READERS and not attribute.whole
        ]
        self._title = 1 + names.index(domain.title)
        self._genres = 1 + names.index(domain.preferences.name)
        self._indexed = len(domain.indexed)
        self._own_indexed = len(domain.own_filtered)

    def fetch_items(
        self, item_ids: Sequence[str], deadline: Deadline, known: Mapping[str, Item] = _NONE_KNOWN
    ) -> dict[str, Item]:
        """Return details by id; deleted and unknown items are absent.

        Args:
            item_ids: which items.
            deadline: for the statement.
            known: details read before, which are returned again for rows that did not change.
        """
        rows = self._database.fetch("fetch_media", deadline, media_ids=list(item_ids))
        _check_columns("fetch_media", rows, 1 + len(self._names))
        details: dict[str, Item] = {}
        for row in rows:
            same_id = details.get(row[0])
            # A view may return an item once per translation, in any order: always keep the same row.
            if same_id is not None and repr(same_id.row) <= repr(row):
                continue
            before = known.get(row[0])
            details[row[0]] = before if before is not None and before.row == row else self._item(row)
        return details

    def _item(self, row: Row) -> Item:
        values = list(row)
        for column, read in self._readers:
            values[column] = read(values[column])
        attributes = dict(zip(self._names, values[1:], strict=True))
        return Item(values[0], values[self._title], values[self._genres], attributes, row)

    def fetch_existing_keys(self, deadline: Deadline) -> bytes:
        """Return the keys of all items that are not deleted, concatenated."""
        ((item_keys,),) = self._database.fetch("fetch_existing_keys", deadline)
        return item_keys or b""

    def read_catalog(self, collect: Callable[[Iterator[list[CatalogEntry]]], T]) -> T:
        """Pass all items that are not deleted to `collect`, some hundred at a time, and return its result."""
        return self._database.read("fetch_catalogue", lambda chunks: collect(map(self._entries, chunks)))

    def fetch_catalogue(self) -> list[CatalogEntry]:
        """Return all items that are not deleted."""
        return self.read_catalog(lambda chunks: list(chain.from_iterable(chunks)))

    def _entries(self, rows: Sequence[Row]) -> list[CatalogEntry]:
        ours = self._indexed
        _check_columns("fetch_catalogue", rows, ours + 2 + self._own_indexed)
        return [CatalogEntry(row[:ours] + row[ours + 2 :], row[ours], row[ours + 1]) for row in rows]


def _check_columns(query_name: str, rows: Sequence[Row], wanted: int) -> None:
    """Refuse rows whose number of columns is not the declared one.

    Raises:
        ConfigurationError: there are more columns, or fewer.
    """
    if rows and len(rows[0]) != wanted:
        raise ConfigurationError(
            f"catalog_db/{query_name} returns {len(rows[0])} columns, but {wanted} are declared; "
            f"`{PROGRAM} check` says which"
        )
