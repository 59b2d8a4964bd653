"""A generated population as arrays: long-tailed users and items, tastes by genre."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from recommender.demo.progress import Row
from recommender.demo.vocabulary import GENRE_WORDS, TASTES

GENRES = tuple(GENRE_WORDS)
HEAVIEST_ITEMS = 5_000
_DAYS = 80
# PostgreSQL counts microseconds from here.
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - the databases' timestamps are naive UTC
_KINDS = ("LIKE", "WATCH", "DISLIKE")
# Rows of a slice of time. Drawing one slice takes about 2 GB of memory.
SLICE_ROWS = 20_000_000
# The second parameter of the beta distribution of ages; the first is 1.
_AGE_SHAPE = 1.5


@dataclass(frozen=True, slots=True)
class Interactions:
    """Interactions of a slice of time, as parallel arrays, oldest first; ids count up from `first_id`."""

    first_id: int
    user_idx: NDArray[np.int64]
    item_idx: NDArray[np.int64]
    kind_idx: NDArray[np.uint8]
    values: NDArray[np.float64]
    ages_s: NDArray[np.float64]


class Population:
    """Users, items and interactions.

    User 0 has 5,000 interactions, item 0 was watched by a third of all users. Interactions are drawn when
    they are asked for; `has_history` then says which users have any.
    """

    def __init__(
        self, seed: int, users: int, items: int, interactions: int, slice_rows: int = SLICE_ROWS
    ) -> None:
        self._rng = rng = np.random.default_rng(seed)
        self.users, self.items, self.interactions = users, items, interactions
        self.has_history = np.zeros(users, dtype=np.bool_)
        self._slices = -(-interactions // slice_rows)
        self.user_keys = rng.integers(0, 256, size=(users, 16), dtype=np.uint8)
        self.item_keys = rng.integers(0, 256, size=(items, 16), dtype=np.uint8)
        self.user_tastes = rng.integers(len(TASTES), size=users)
        self.item_genres = _draw_genres(rng, items)

    def user_id(self, user_idx: int) -> str:
        """Return a user's id."""
        return str(UUID(bytes=self.user_keys[user_idx].tobytes()))

    def item_id(self, item_idx: int) -> str:
        """Return an item's id."""
        return str(UUID(bytes=self.item_keys[item_idx].tobytes()))

    def preference_rows(self) -> Iterator[Row]:
        """Yield rows of user_preferences."""
        for user_idx in range(self.users):
            yield self.user_id(user_idx), self.user_id(user_idx)

    def user_genre_rows(self) -> Iterator[Row]:
        """Yield rows of tb_user_genre: what a user's taste loves most."""
        for user_idx, taste in enumerate(self.user_tastes):
            for genre in TASTES[taste][:3]:
                yield self.user_id(user_idx), genre

    def item_rows(self, now: datetime) -> Iterator[Row]:
        """Yield rows of medias."""
        for item_idx in range(self.items):
            item_id = self.item_id(item_idx)
            cover = f"https://covers.example.com/{item_id}.jpg"
            plot = "A description of the length that descriptions have, which is to say two sentences. " * 2
            yield item_id, f"Title {item_idx}", plot, 1960 + item_idx % 65, "MOVIE", cover, now, None

    def item_genre_rows(self) -> Iterator[Row]:
        """Yield rows of tb_media_genre."""
        for item_idx, genre_idx in zip(*np.nonzero(self.item_genres), strict=True):
            yield self.item_id(int(item_idx)), GENRES[genre_idx]

    def interaction_blocks(self, now: datetime, block_rows: int) -> Iterator[bytes]:
        """Yield rows of interaction in PostgreSQL's binary COPY format, block by block, oldest first.

        They are drawn on the way, a slice at a time.
        """
        yield b"PGCOPY\n\xff\r\n\0" + bytes(8)
        now_us = int((now - _EPOCH).total_seconds() * 1_000_000)
        for drawn in self._draw():
            for start in range(0, len(drawn.user_idx), block_rows):
                block = np.arange(start, min(start + block_rows, len(drawn.user_idx)))
                yield b"".join(
                    self._binary_rows(drawn, block[drawn.kind_idx[block] == kind], name, now_us)
                    for kind, name in enumerate(_KINDS)
                )
        yield b"\xff\xff"

    def _draw(self) -> Iterator[Interactions]:
        """Yield the interactions by slices of time, the oldest first.

        Within a slice each pair of user and item comes once, except those of the heaviest user.
        """
        rng = self._rng
        fans = rng.choice(np.arange(1, self.users), size=self.users // 3, replace=False)
        # If half the catalog is smaller, the heaviest user repeats some items.
        heaviest = np.resize(np.arange(min(HEAVIEST_ITEMS, self.items // 2)), HEAVIEST_ITEMS)
        fixed = zip(
            np.array_split(fans * self.items, self._slices),
            np.array_split(heaviest, self._slices),
            strict=True,
        )
        first_id = 1
        for number, pairs in enumerate(fixed):
            rows = self.interactions * (number + 1) // self._slices + 1 - first_id
            drawn = self._draw_slice(rng, number, first_id, self._draw_pairs(rng, rows, list(pairs)))
            self.has_history[drawn.user_idx] = True
            yield drawn
            first_id += rows

    def _draw_slice(
        self, rng: np.random.Generator, number: int, first_id: int, pairs: NDArray[np.int64]
    ) -> Interactions:
        """Draw times and types of interactions."""
        rows = len(pairs)
        if self._slices == 1:
            ages = rng.beta(1.0, _AGE_SHAPE, size=rows)
        else:
            # The same distribution by its inverse, so that a slice gets its own part of it.
            quantiles = (self._slices - 1 - number + rng.random(rows)) / self._slices
            ages = 1.0 - (1.0 - quantiles) ** (1.0 / _AGE_SHAPE)
        ages_s = np.sort(ages)[::-1] * _DAYS * 86_400
        user_idx, item_idx = np.divmod(pairs, self.items)
        kind_idx = rng.choice(3, size=rows, p=(0.42, 0.42, 0.16)).astype(np.uint8)
        kind_idx[item_idx == 0] = _KINDS.index("WATCH")
        values = np.array([2.0, 0.0, -2.0])[kind_idx]
        watched = kind_idx == 1
        values[watched] = rng.integers(25, 101, size=int(watched.sum())) / 100
        return Interactions(first_id, user_idx, item_idx, kind_idx, values, ages_s)

    def _binary_rows(self, drawn: Interactions, rows: NDArray[np.int64], kind: str, now_us: int) -> bytes:
        """Return rows of one type in binary form; as its name has one length, all have the same layout."""
        layout = np.dtype(
            [("fields", ">i2")]
            + [
                part
                for name, width, form in (
                    ("id", 8, ">i8"),
                    ("user", 16, "V16"),
                    ("media", 16, "V16"),
                    ("kind", len(kind), f"S{len(kind)}"),
                    ("value", 8, ">f8"),
                    ("at", 8, ">i8"),
                )
                for part in ((f"{name}_bytes", ">i4"), (name, form))
            ]
        )
        out = np.zeros(len(rows), dtype=layout)
        out["fields"] = 6
        for name in ("id", "user", "media", "kind", "value", "at"):
            out[f"{name}_bytes"] = layout[name].itemsize
        out["id"] = rows + drawn.first_id
        out["user"] = self.user_keys[drawn.user_idx[rows]].view("V16").ravel()
        out["media"] = self.item_keys[drawn.item_idx[rows]].view("V16").ravel()
        out["kind"] = kind.encode()
        out["value"] = drawn.values[rows]
        out["at"] = now_us - (drawn.ages_s[rows] * 1_000_000).astype(np.int64)
        return out.tobytes()

    def _draw_pairs(
        self, rng: np.random.Generator, interactions: int, drawn: list[NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        """Return pairs in random order, as user_idx x items + item_idx; those drawn here are distinct.

        `drawn`: pairs that are to be among them.
        """
        wanted = interactions - sum(len(pairs) for pairs in drawn)
        activity = rng.lognormal(0.0, 1.1, size=self.users)
        activity[0] = 0.0
        # As in MovieLens: with 20 million rows, a median history's items have a million interactions in all.
        popularity = np.exp(-0.21 * np.arange(self.items) ** 0.4)
        popularity[0] = 0.0
        # Drawn with replacement, then made distinct: more than needed, and the surplus dropped at random.
        found = np.empty(0, dtype=np.int64)
        while len(found) < wanted:
            counts = rng.poisson(activity / activity.sum() * wanted * 0.8)
            fresh = [found]
            for taste in range(len(TASTES)):
                members = np.flatnonzero(self.user_tastes == taste)
                odds = popularity * np.exp(3.0 * (self.item_genres @ _loves(taste)))
                edges = np.cumsum(odds / odds.sum())
                users = np.repeat(members, counts[members])
                picks = np.minimum(np.searchsorted(edges, rng.random(len(users))), self.items - 1)
                fresh.append(users * self.items + picks)
            found = np.unique(np.concatenate(fresh))
        drawn.append(rng.permutation(found)[:wanted])
        return rng.permutation(np.concatenate(drawn))


def _draw_genres(rng: np.random.Generator, items: int) -> NDArray[np.float64]:
    """Return the genres of each item, 1 to 4 of one taste; rows add up to 1; shape (items, genres)."""
    genres = np.zeros((items, len(GENRES)))
    for row, taste in enumerate(rng.integers(len(TASTES), size=items)):
        names = rng.permutation(TASTES[taste])[: rng.integers(1, 5)]
        genres[row, [GENRES.index(name) for name in names]] = 1.0 / len(names)
    return genres


def _loves(taste: int) -> NDArray[np.float64]:
    loves = np.zeros(len(GENRES))
    loves[[GENRES.index(name) for name in TASTES[taste]]] = (1.0, 0.8, 0.6, 0.4)
    return loves
