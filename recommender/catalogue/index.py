"""The catalogue index: what many requests share of all media, as arrays, in each process's memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.attribute_arrays import (
    AttributeArray,
    LargeSetArray,
    NumberArray,
    SetArray,
    build_array,
    build_preferences,
    mask_of,
)
from recommender.catalogue.media_keys import MediaKeys
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.entities import ANY_MEDIA, CatalogueEntry, MediaFilter
from recommender.ranking.content import GenreRates, genre_rates


@dataclass(frozen=True)
class Popularity:
    """Counts over the positive interactions in the window.

    `positive_users`: how many users each medium has, in the catalogue or not. `active_users`: how many
    users there are in all (the U of idf). `window_start`: of the window. `known`: false where engagement_db
    could not be asked yet. `rows`: how many interactions the window holds, of any type. `repeats`: how many
    interactions each medium has for each of its users, rounded, where that is more than one.
    """

    positive_users: Mapping[str, int]
    active_users: int
    window_start: str = "-infinity"
    known: bool = True
    rows: int = 0
    repeats: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def pairs(self) -> int:
        """How many pairs of a user and a medium the counts are of."""
        return sum(self.positive_users.values())

    @cached_property
    def most_repeats(self) -> int:
        """The most interactions that a medium has for each of its users."""
        return max(self.repeats.values(), default=1)

    @cached_property
    def typical_repeats(self) -> int:
        """The median over pairs of how many interactions a medium has for each of its users."""
        passed = self.pairs - sum(self.positive_users.get(media_id, 0) for media_id in self.repeats)
        for media_id in sorted(self.repeats, key=self.repeats.__getitem__):
            if 2 * passed >= self.pairs:
                break
            passed += self.positive_users.get(media_id, 0)
            if 2 * passed >= self.pairs:
                return self.repeats[media_id]
        return 1


_VERSION_BYTES = 8

UNKNOWN_POPULARITY = Popularity(positive_users={}, active_users=0, known=False)


@dataclass(frozen=True)
class CatalogueIndex:
    """Every medium that may be recommended; immutable, swapped whole.

    Media stand by popularity descending, then id ascending: the order in which ties are broken and popular
    media are given. `media_idx` is a position in that order, and arrays are in it: those of `attributes`, by
    name, of which `genres` are what users state preferences of, and `user_counts`, the popularity.
    """

    media_ids: Sequence[str]
    media_keys: MediaKeys
    genres: SetArray
    attributes: Mapping[str, AttributeArray]
    user_counts: NDArray[np.int64]
    popularity: Popularity

    @cached_property
    def version(self) -> str:
        """A hash of all that a ranking reads from the index: the same content has the same version.

        Not of the start of the window, which moves on with each load whether or not a count changes.
        """
        counts, known_idx = self.popularity.positive_users, self._media_idx
        elsewhere = sorted(media_id for media_id in counts if media_id not in known_idx)
        digest = blake2b(digest_size=_VERSION_BYTES)
        arrays = self.attributes.values()
        names = (array.numbers for array in arrays if not isinstance(array, NumberArray))
        for texts in (self.media_ids, *names, elsewhere):
            digest.update("\0".join([*texts, "\n"]).encode())
        for array in (*arrays, self.user_counts):
            digest.update((array if isinstance(array, np.ndarray) else array.array).tobytes())
            if isinstance(array, LargeSetArray):
                digest.update(array.starts.tobytes())
        others = [counts[media_id] for media_id in elsewhere]
        digest.update(repr((others, self.popularity.active_users, self.popularity.known)).encode())
        return digest.hexdigest()

    @property
    def genre_count(self) -> int:
        """How many genres the media have in all."""
        return int(np.unpackbits(self.genre_masks.view(np.uint8)).sum())

    @property
    def genre_masks(self) -> NDArray[np.uint64]:
        """Bit masks of the genres; shape (media, words)."""
        return self.genres.array

    @cached_property
    def genre_rates(self) -> GenreRates:
        """The base rates of the genres, which tastes are measured against."""
        return genre_rates(self.genre_masks, len(self.genres.numbers), self.user_counts)

    @cached_property
    def _media_idx(self) -> dict[str, int]:
        return {media_id: media_idx for media_idx, media_id in enumerate(self.media_ids)}

    def locate(self, media_ids: Sequence[str]) -> NDArray[np.intp]:
        """The position of each of `media_ids`, -1 for those not in the catalogue; same shape."""
        found = map(self._media_idx.get, media_ids, repeat(-1))
        return np.fromiter(found, dtype=np.intp, count=len(media_ids))

    def located(self, media_ids: Sequence[str]) -> NDArray[np.intp]:
        """The positions of those of `media_ids` that are in the catalogue, in their order."""
        media_idx = self.locate(media_ids)
        return media_idx[media_idx >= 0]

    def mark(self, media_ids: Sequence[str]) -> NDArray[np.bool_]:
        """A mask over the catalogue, true for `media_ids`; shape (media,)."""
        mask = np.zeros(len(self.media_ids), dtype=np.bool_)
        mask[self.located(media_ids)] = True
        return mask

    def matching(self, filters: MediaFilter) -> NDArray[np.bool_] | None:
        """A mask over the catalogue, true for what passes, shape (media,); None where everything does."""
        if filters == ANY_MEDIA:
            return None
        mask = np.ones(len(self.media_ids), dtype=np.bool_)
        for condition in filters.conditions:
            mask &= mask_of(self.attributes[condition.attribute], condition)
        if filters.excluded_ids:
            mask &= ~self.mark(filters.excluded_ids)
        return mask

    def genre_mask(self, genres: Sequence[str]) -> NDArray[np.uint64]:
        """The bit mask of genres by their keys; those that no medium has are left out. Shape (words,)."""
        return self.genres.mask_of(genres)


def build_index(
    entries: Iterable[CatalogueEntry], popularity: Popularity, domain: Domain = MEDIA
) -> CatalogueIndex:
    """Index the items of a domain; spellings of a name that have one key are one.

    Raises:
        ValueError: the keys are not of one width, or that is no multiple of 8 bytes; or an entry has another
            number of values than the domain has attributes to filter by.
    """
    count = popularity.positive_users.get
    ordered = sorted(entries, key=lambda entry: (-count(entry.media_id, 0), entry.media_id))
    columns = list(zip(*(entry.values for entry in ordered), strict=True)) or [()] * len(domain.filtered)
    genres = build_preferences(columns[0])
    others = zip(domain.filtered[1:], columns[1:], strict=True)
    return CatalogueIndex(
        media_ids=[entry.media_id for entry in ordered],
        media_keys=MediaKeys([entry.media_key for entry in ordered]),
        genres=genres,
        attributes={
            domain.preferences.name: genres,
            **{attribute.name: build_array(attribute.kind, values) for attribute, values in others},
        },
        user_counts=np.array([count(entry.media_id, 0) for entry in ordered], dtype=np.int64),
        popularity=popularity,
    )


def window_start(window_days: int, now: datetime | None = None) -> str:
    """Where the window begins, as SQL takes it: naive UTC, `-infinity` for 0 days (all time)."""
    if window_days == 0:
        return "-infinity"
    moment = datetime.now(UTC) if now is None else now
    return (moment - timedelta(days=window_days)).replace(tzinfo=None).isoformat()
