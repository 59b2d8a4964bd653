"""The catalogue index: what many requests share of all media, as arrays, in each process's memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue.media_keys import MediaKeys
from recommender.domain import ANY_MEDIA, CatalogueEntry, MediaFilter
from recommender.names import distinct_names, name_key
from recommender.ranking.content import pack_genres


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


_NO_TYPE, _UNKNOWN_TYPE = -1, -2
_VERSION_BYTES = 8

UNKNOWN_POPULARITY = Popularity(positive_users={}, active_users=0, known=False)


@dataclass(frozen=True)
class CatalogueIndex:
    """Every medium that may be recommended; immutable, swapped whole.

    Media stand by popularity descending, then id ascending: the order in which ties are broken and popular
    media are given. `media_idx` is a position in that order, and arrays are in it: `media_types` numbers of
    `type_numbers`, -1 without one; `release_years` NaN without one; `user_counts` the popularity.
    """

    media_ids: Sequence[str]
    media_keys: MediaKeys
    genre_masks: NDArray[np.uint64]
    genre_numbers: Mapping[str, int]
    type_numbers: Mapping[str, int]
    media_types: NDArray[np.int32]
    release_years: NDArray[np.float64]
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
        for texts in (self.media_ids, self.genre_numbers, self.type_numbers, elsewhere):
            digest.update("\0".join([*texts, "\n"]).encode())
        for array in (self.genre_masks, self.media_types, self.release_years, self.user_counts):
            digest.update(array.tobytes())
        others = [counts[media_id] for media_id in elsewhere]
        digest.update(repr((others, self.popularity.active_users, self.popularity.known)).encode())
        return digest.hexdigest()

    @property
    def genre_count(self) -> int:
        """How many genres the media have in all."""
        return int(np.unpackbits(self.genre_masks.view(np.uint8)).sum())

    @cached_property
    def _media_idx(self) -> dict[str, int]:
        return {media_id: media_idx for media_idx, media_id in enumerate(self.media_ids)}

    def locate(self, media_ids: Sequence[str]) -> NDArray[np.intp]:
        """The position of each of `media_ids`, -1 for those not in the catalogue; same shape."""
        found = map(self._media_idx.get, media_ids, repeat(-1))
        return np.fromiter(found, dtype=np.intp, count=len(media_ids))

    def mark(self, media_ids: Sequence[str]) -> NDArray[np.bool_]:
        """A mask over the catalogue, true for `media_ids`; shape (media,)."""
        mask = np.zeros(len(self.media_ids), dtype=np.bool_)
        media_idx = self.locate(media_ids)
        mask[media_idx[media_idx >= 0]] = True
        return mask

    def matching(self, filters: MediaFilter) -> NDArray[np.bool_] | None:
        """A mask over the catalogue, true for what passes, shape (media,); None where everything does."""
        if filters == ANY_MEDIA:
            return None
        mask = np.ones(len(self.media_ids), dtype=np.bool_)
        if filters.genres:
            wanted = self.genre_mask([name_key(genre) for genre in filters.genres])
            mask &= (self.genre_masks & wanted).any(axis=1)
        if filters.media_types:
            numbers = [self.type_numbers.get(name_key(name), _UNKNOWN_TYPE) for name in filters.media_types]
            mask &= np.isin(self.media_types, numbers)
        if filters.min_year is not None:
            mask &= self.release_years >= filters.min_year
        if filters.max_year is not None:
            mask &= self.release_years <= filters.max_year
        if filters.excluded_ids:
            mask &= ~self.mark(filters.excluded_ids)
        return mask

    def genre_mask(self, genres: Sequence[str]) -> NDArray[np.uint64]:
        """The bit mask of genres by their keys; those that no medium has are left out. Shape (words,)."""
        numbers = [self.genre_numbers[genre] for genre in genres if genre in self.genre_numbers]
        return np.asarray(pack_genres([numbers], len(self.genre_numbers))[0])


def build_index(entries: Iterable[CatalogueEntry], popularity: Popularity) -> CatalogueIndex:
    """Index media; spellings of a genre or a type that have one key are one.

    Raises:
        ValueError: the keys are not of one width, or that is no multiple of 8 bytes.
    """
    count = popularity.positive_users.get
    ordered = sorted(entries, key=lambda entry: (-count(entry.media_id, 0), entry.media_id))
    genre_numbers: dict[str, int] = {}
    genre_sets = [
        [genre_numbers.setdefault(genre, len(genre_numbers)) for genre in distinct_names(entry.genre_names)]
        for entry in ordered
    ]
    type_numbers: dict[str, int] = {}
    type_keys = [name_key(entry.media_type or "") for entry in ordered]
    media_types = [type_numbers.setdefault(key, len(type_numbers)) if key else _NO_TYPE for key in type_keys]
    return CatalogueIndex(
        media_ids=[entry.media_id for entry in ordered],
        media_keys=MediaKeys([entry.media_key for entry in ordered]),
        genre_masks=pack_genres(genre_sets, len(genre_numbers)),
        genre_numbers=genre_numbers,
        type_numbers=type_numbers,
        media_types=np.array(media_types, dtype=np.int32),
        release_years=np.array([entry.release_year for entry in ordered], dtype=np.float64),
        user_counts=np.array([count(entry.media_id, 0) for entry in ordered], dtype=np.int64),
        popularity=popularity,
    )


def window_start(window_days: int, now: datetime | None = None) -> str:
    """Where the window begins, as SQL takes it: naive UTC, `-infinity` for 0 days (all time)."""
    if window_days == 0:
        return "-infinity"
    moment = datetime.now(UTC) if now is None else now
    return (moment - timedelta(days=window_days)).replace(tzinfo=None).isoformat()
