"""The catalog index: arrays over all items, shared by requests and by processes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import chain
from typing import cast

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.attribute_arrays import (
    AttributeArray,
    LargeSetArray,
    NumberArray,
    SetArray,
    array_of,
    mask_of,
)
from recommender.catalog.columns import CatalogColumns, columns_of
from recommender.catalog.item_keys import ItemKeys, arrays_of_keys
from recommender.catalog.popularity import Popularity
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.entities import ANY_ITEM, CatalogEntry, History, ItemFilter
from recommender.ranking.genre_matching import GenreRates, genre_rates
from recommender.texts.id_table import IdTable, IdTexts

_VERSION_BYTES = 8


@dataclass(frozen=True, eq=False)
class CatalogIndex:
    """All items that may be recommended; immutable, swapped whole.

    Items are in the order of popularity descending, then id ascending: the order of popular items and of
    ties. `item_idx` is an index in this order. All arrays follow it: `attributes` by name, `genres` (that
    users state preferences for), and `user_counts` (the popularity).

    `version`: a hash of all that a ranking reads, so that equal content has the same version. `repetition`: a
    hash of how often interactions repeat, by which live SQL decides how many rows it reads. `genre_rates`:
    the base rates of the genres, which preferences are compared with. The ids of `popularity` are `item_ids`,
    followed by those of items with users that are not in the catalog.
    """

    version: str
    repetition: str
    item_ids: IdTexts
    item_keys: ItemKeys
    genres: SetArray
    attributes: Mapping[str, AttributeArray]
    user_counts: NDArray[np.int64]
    popularity: Popularity
    genre_rates: GenreRates

    @property
    def genre_count(self) -> int:
        """The sum of the items' numbers of genres."""
        return int(np.bitwise_count(self.genre_masks).sum(dtype=np.int64))

    @property
    def genre_masks(self) -> NDArray[np.uint64]:
        """Bit masks of the genres; shape (items, words)."""
        return self.genres.array

    def locate(self, item_ids: IdTexts | Sequence[str]) -> NDArray[np.intp]:
        """Return the item_idx of each of `item_ids`, -1 if it is not in the catalog; same shape."""
        found = self.popularity.ids.locate(item_ids)
        found[found >= len(self.item_ids)] = -1
        return found

    def locate_history(self, history: History) -> "LocatedHistory":
        """Return where the items of a history are."""
        (located,) = self.locate_histories([history])
        return located

    def locate_histories(self, histories: Sequence[History]) -> list["LocatedHistory"]:
        """Return where the items of each history are; one search for all lists."""
        lists = [ids for history in histories for ids in (history.seen_ids, history.positive_ids)]
        found = self.popularity.ids.locate([*chain.from_iterable(lists)])
        located, end = [], 0
        for history in histories:
            seen_end = end + len(history.seen_ids)
            begin, end = end, seen_end + len(history.positive_ids)
            located.append(LocatedHistory(self, found[begin:seen_end], found[seen_end:end]))
        return located

    def catalog_only(self, found: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the indices in `popularity.ids` that belong to catalog items, in order."""
        return found[(found >= 0) & (found < len(self.item_ids))]

    def mask(self, item_ids: Sequence[str]) -> NDArray[np.bool_]:
        """Return a mask of the catalog, true for `item_ids`; shape (items,)."""
        mask = np.zeros(len(self.item_ids), dtype=np.bool_)
        item_idx = self.locate(item_ids)
        mask[item_idx[item_idx >= 0]] = True
        return mask

    def matching(self, filters: ItemFilter) -> NDArray[np.bool_] | None:
        """Return a mask of the items that pass, shape (items,); None if all do."""
        if filters == ANY_ITEM:
            return None
        mask = np.ones(len(self.item_ids), dtype=np.bool_)
        for condition in filters.conditions:
            mask &= mask_of(self.attributes[condition.attribute], condition)
        if filters.excluded_ids:
            mask &= ~self.mask(filters.excluded_ids)
        return mask

    def genre_mask(self, genres: Sequence[str]) -> NDArray[np.uint64]:
        """Return the bit mask of genres by their keys, without genres that no item has; shape (words,)."""
        return self.genres.bits_of(genres)


@dataclass(frozen=True, slots=True, eq=False)
class LocatedHistory:
    """Where the items of a history are in the `popularity.ids` of an index.

    `seen_idx`, `positive_idx`: parallel to the ids of the history, -1 for those that are not there.
    """

    index: CatalogIndex
    seen_idx: NDArray[np.intp]
    positive_idx: NDArray[np.intp]


def build_index(
    entries: Iterable[CatalogEntry], popularity: Popularity, domain: Domain = MEDIA
) -> CatalogIndex:
    """Index the items of a domain; see `index_of`.

    Raises:
        ValueError: as `index_of`, or an entry does not have one value for each attribute that the domain
            filters by.
    """
    return index_of(columns_of(entries, domain), popularity)


def index_of(columns: CatalogColumns, counted: Popularity) -> CatalogIndex:
    """Index items that were read, each id once; spellings of a name with the same key are one.

    Raises:
        ValueError: the keys differ in width, or it is not a multiple of 8 bytes.
    """
    read_ids = columns.ids()
    words, keys = columns.folded_keys()
    user_counts = counted.users_of(read_ids)
    order = columns.distinct(read_ids)
    order = order[np.argsort(-user_counts[order], kind="stable")]
    item_ids, user_counts = read_ids.take(order), user_counts[order]
    first, *others = columns.values
    # The first attribute of every domain is a set.
    genres = cast("SetArray", array_of(first, order, as_bits=True))
    filtered = zip(columns.domain.filtered[1:], others, strict=True)
    attributes = {
        columns.domain.preferences.name: genres,
        **{attribute.name: array_of(values, order) for attribute, values in filtered},
    }
    popularity = _popularity_of_all(item_ids, user_counts, counted)
    return CatalogIndex(
        version=_version(len(item_ids), attributes, popularity),
        repetition=_repetition(popularity),
        item_ids=popularity.ids.texts.first(len(item_ids)),
        item_keys=ItemKeys(words, arrays_of_keys(keys[order])),
        genres=genres,
        attributes=attributes,
        user_counts=user_counts,
        popularity=popularity,
        genre_rates=genre_rates(genres.array, len(genres.numbers), user_counts),
    )


def _popularity_of_all(item_ids: IdTexts, user_counts: NDArray[np.int64], counted: Popularity) -> Popularity:
    """Return the counts of the items of a catalog, followed by other items with users, by id."""
    known = IdTable(item_ids)
    counted_ids = counted.ids.texts
    elsewhere = np.flatnonzero((known.locate(counted_ids) < 0) & (counted.users > 0))
    elsewhere = elsewhere[counted_ids.take(elsewhere).order()]
    ids = IdTexts.joined([item_ids, counted_ids.take(elsewhere)])
    return replace(
        counted,
        ids=IdTable(ids),
        users=np.concatenate((user_counts, counted.users[elsewhere])),
        repeats=np.concatenate((counted.repeats_of(item_ids), counted.repeats[elsewhere])),
    )


def are_interchangeable(one: CatalogIndex, other: CatalogIndex) -> bool:
    """Return whether requests get the same answers by either index, and live SQL reads as many rows."""
    return (one.version, one.repetition) == (other.version, other.repetition)


def _repetition(popularity: Popularity) -> str:
    """Hash all that live SQL reads by, apart from what the version covers.

    The number of all rows changes with every interaction, so only its order of magnitude counts.
    """
    digest = blake2b(popularity.repeats.tobytes(), digest_size=_VERSION_BYTES)
    digest.update(repr(popularity.rows.bit_length()).encode())
    return digest.hexdigest()


def _version(item_count: int, attributes: Mapping[str, AttributeArray], popularity: Popularity) -> str:
    """Hash all that a ranking reads from an index.

    The start of the window is left out: it moves with each load, also if no count changes. So are repetitions
    of interactions, which only decide how much live SQL reads.
    """
    ids = popularity.ids.texts
    digest = blake2b(digest_size=_VERSION_BYTES)
    digest.update(ids.first(item_count).ended_by_zeros().data)
    digest.update(b"\n")
    for array in attributes.values():
        if not isinstance(array, NumberArray):
            digest.update("\0".join([*array.numbers, "\n"]).encode())
    digest.update(ids.take(np.arange(item_count, len(ids))).ended_by_zeros().data)
    digest.update(b"\n")
    for array in attributes.values():
        digest.update(array.array.tobytes())
        if isinstance(array, LargeSetArray):
            digest.update(array.starts.tobytes())
    digest.update(popularity.users[:item_count].tobytes())
    others = popularity.users[item_count:].tolist()
    digest.update(repr((others, popularity.active_users, popularity.known)).encode())
    return digest.hexdigest()


def window_start(window_days: int, now: datetime | None = None) -> str:
    """Return the start of the window as text for SQL: naive UTC, `-infinity` for 0 days (all time)."""
    if window_days == 0:
        return "-infinity"
    moment = datetime.now(UTC) if now is None else now
    return (moment - timedelta(days=window_days)).replace(tzinfo=None).isoformat()
