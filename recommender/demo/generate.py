"""Demo data: readable, deterministic by seed, with tastes to learn and some invalid rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from recommender.demo.progress import Row
from recommender.demo.vocabulary import (
    GENRE_WORDS,
    PLACES,
    TASTES,
    TITLE_TEMPLATES,
    TWISTS,
    GenreWords,
)
from recommender.placeholders.urls import placeholder_url

DEMO_SEED = 20_231
GENRES = tuple(GENRE_WORDS)
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class DemoSize:
    """The numbers of rows, the days that interactions span, and the shares of rows with a flaw."""

    items: int = 2_000
    users: int = 5_000
    interactions: int = 200_000
    days: int = 90
    deleted_items: float = 0.02
    vanished_items: float = 0.01
    users_without_preferences: float = 0.08
    users_without_history: float = 0.03
    repeated_interactions: float = 0.05
    null_values: float = 0.01
    null_timestamps: float = 0.005


DEMO_SIZE = DemoSize()


@dataclass(frozen=True, slots=True)
class DemoData:
    """Rows for the tables of the three databases, in their column order."""

    user_preferences: list[Row]
    user_genres: list[Row]
    items: list[Row]
    item_genres: list[Row]
    interactions: list[Row]


def generate(size: DemoSize, seed: int, now: datetime) -> DemoData:
    """Return the rows of all tables; the same arguments give the same rows.

    `now`: naive UTC; the newest interaction is slightly older.
    """
    rng = np.random.default_rng(seed)
    item_ids = _uuids(rng, size.items)
    user_ids = _uuids(rng, size.users)
    item_tastes = rng.integers(len(TASTES), size=size.items)
    user_tastes = rng.integers(len(TASTES), size=size.users)
    genres = [_item_genres(rng, TASTES[taste]) for taste in item_tastes]
    affinity = _affinity(rng, genres, user_tastes)
    items = _item_rows(rng, item_ids, genres, size, now)
    vanished = round(size.vanished_items * size.items)
    return DemoData(
        user_preferences=[
            (user_id, owner) for user_id, owner in zip(_uuids(rng, size.users), user_ids, strict=True)
        ],
        user_genres=list(_user_genre_rows(rng, user_ids, user_tastes, size)),
        # Vanished items have interactions but no row in the catalog.
        items=items[vanished:],
        item_genres=[
            row
            for item_id, names in zip(item_ids[vanished:], genres[vanished:], strict=True)
            for row in _item_genre_rows(rng, item_id, names)
        ],
        interactions=_interaction_rows(rng, (user_ids, item_ids), affinity, size, now),
    )


def _uuids(rng: np.random.Generator, count: int) -> list[str]:
    return [str(UUID(bytes=rng.bytes(16), version=4)) for _ in range(count)]


def _item_genres(rng: np.random.Generator, taste: Sequence[str]) -> list[str]:
    """Return 1 to 4 distinct genres, mostly of a taste; the first genre of the taste is the most likely."""
    count = int(rng.choice((1, 2, 3, 4), p=(0.15, 0.4, 0.3, 0.15)))
    odds = np.full(len(GENRES), 0.02)
    for rank, genre in enumerate(taste):
        odds[GENRES.index(genre)] = 1.0 / (1 + rank)
    chosen = rng.choice(len(GENRES), size=count, replace=False, p=odds / odds.sum())
    return [GENRES[i] for i in chosen]


def _affinity(
    rng: np.random.Generator, genres: Sequence[Sequence[str]], user_tastes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how much each user likes each item's genres, around 0 to 1; shape (users, items)."""
    has_genre = np.zeros((len(genres), len(GENRES)))
    for item_idx, names in enumerate(genres):
        has_genre[item_idx, [GENRES.index(name) for name in names]] = 1.0 / len(names)
    loves = np.zeros((len(TASTES), len(GENRES)))
    for taste_idx, taste in enumerate(TASTES):
        loves[taste_idx, [GENRES.index(name) for name in taste]] = (1.0, 0.8, 0.6, 0.4)
    personal = rng.normal(0.0, 0.15, size=(len(user_tastes), len(GENRES)))
    affinity: NDArray[np.float64] = (loves[user_tastes] + personal) @ has_genre.T
    return affinity


def _item_rows(
    rng: np.random.Generator,
    item_ids: Sequence[str],
    genres: Sequence[Sequence[str]],
    size: DemoSize,
    now: datetime,
) -> list[Row]:
    titles: set[str] = set()
    deleted = set(rng.choice(len(item_ids), round(size.deleted_items * len(item_ids)), replace=False))
    rows: list[Row] = []
    for item_idx, (item_id, names) in enumerate(zip(item_ids, genres, strict=True)):
        words = GENRE_WORDS[names[0]]
        place = _pick(rng, PLACES)
        title = _title(rng, words, place, titles)
        added_at = now - timedelta(days=int(rng.integers(1, 2_000)))
        description = _description(rng, words, place)
        year = int(now.year - min(rng.exponential(9.0), 75))
        rows.append(
            (
                item_id,
                title,
                description,
                year,
                "SERIES" if rng.random() < 0.3 else "MOVIE",
                # Served by this service, so that the explorer loads nothing from other sites.
                placeholder_url(item_id, title, names[0], year),
                added_at,
                now - timedelta(days=int(rng.integers(0, 30))) if item_idx in deleted else None,
            )
        )
    return rows


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _title(rng: np.random.Generator, words: GenreWords, place: str, taken: set[str]) -> str:
    """Return a title that is not taken; sequels get a number."""
    for part in range(1, 100):
        noun, other_noun = (words.nouns[i] for i in rng.choice(len(words.nouns), 2, replace=False))
        title = _pick(rng, TITLE_TEMPLATES).format(
            adjective=_pick(rng, words.adjectives),
            noun=noun,
            other_noun=other_noun,
            place=place,
        )
        if part > 20:
            title = f"{title}, Part {part - 19}"
        if title not in taken:
            taken.add(title)
            return title
    raise RuntimeError("the vocabulary is too small for so many titles")


def _description(rng: np.random.Generator, words: GenreWords, place: str) -> str:
    hero = _pick(rng, words.heroes)
    opening = f"In {place}, {hero} must {_pick(rng, words.goals)}."
    return f"{opening} {_pick(rng, TWISTS)}."


def _item_genre_rows(rng: np.random.Generator, item_id: str, names: Sequence[str]) -> Iterator[Row]:
    """Yield an item's genres; some are repeated, or in another case."""
    for name in names:
        yield item_id, name
        if rng.random() < 0.03:
            yield item_id, name
        if rng.random() < 0.03:
            yield item_id, name.capitalize()


def _user_genre_rows(
    rng: np.random.Generator,
    user_ids: Sequence[str],
    user_tastes: NDArray[np.int64],
    size: DemoSize,
) -> Iterator[Row]:
    """Yield two or three genres of each user's taste; some users state none, some repeat them."""
    for user_id, taste_idx in zip(user_ids, user_tastes, strict=True):
        if rng.random() < size.users_without_preferences:
            continue
        stated = list(TASTES[taste_idx][: int(rng.integers(2, 4))])
        for name in stated:
            yield user_id, name.lower() if rng.random() < 0.05 else name
        if rng.random() < 0.03:
            for name in (*stated, _pick(rng, GENRES)):
                yield user_id, name


def _interaction_rows(
    rng: np.random.Generator,
    ids: tuple[Sequence[str], Sequence[str]],
    affinity: NDArray[np.float64],
    size: DemoSize,
    now: datetime,
) -> list[Row]:
    user_ids, item_ids = ids
    user_idx, item_idx = _choose_pairs(rng, affinity, size)
    count = len(user_idx)
    liking = affinity[user_idx, item_idx] + rng.normal(0.0, 0.25, size=count)
    types = np.select([liking > 0.55, liking < 0.05], ["LIKE", "DISLIKE"], "WATCH")
    watched = np.round(rng.uniform(0.25, 1.0, size=count), 2)
    values = np.select([types == "LIKE", types == "DISLIKE"], [2.0, -2.0], watched)
    # Beta(1, 1.5): recent interactions are more frequent.
    ages_s = 60 + rng.beta(1.0, 1.5, size=count) * (size.days * _DAY_S - 3_600)
    null_value = rng.random(count) < size.null_values
    null_timestamp = rng.random(count) < size.null_timestamps
    # As lists, which are faster to read one by one.
    columns = (user_idx, item_idx, types, values, null_value, ages_s.astype(np.int64), null_timestamp)
    return [
        (
            number,
            user_ids[user],
            item_ids[item],
            kind,
            None if has_no_value else value,
            None if has_no_time else now - timedelta(seconds=age_s),
        )
        for number, (user, item, kind, value, has_no_value, age_s, has_no_time) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True), start=1
        )
    ]


def _choose_pairs(
    rng: np.random.Generator, affinity: NDArray[np.float64], size: DemoSize
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pairs as user_idx and item_idx, long-tailed in both, by each user's taste; some repeat."""
    repeats = round(size.interactions * size.repeated_interactions)
    activity = rng.lognormal(0.0, 0.9, size=size.users)
    activity[rng.random(size.users) < size.users_without_history] = 0.0
    wanted = activity / activity.sum() * (size.interactions - repeats)
    counts = np.minimum(np.floor(wanted).astype(np.int64), size.items // 2)
    popularity = 1.0 / (rng.permutation(size.items) + 8) ** 0.8
    pairs = []
    for user in np.flatnonzero(counts):
        # The largest of these keys are a weighted sample without replacement (Gumbel's trick).
        keys = np.log(popularity) + 3.5 * affinity[user] + rng.gumbel(size=size.items)
        chosen = np.argpartition(-keys, counts[user] - 1)[: counts[user]]
        pairs.append(np.column_stack((np.full(len(chosen), user), chosen)))
    distinct = np.concatenate(pairs)
    missing = size.interactions - len(distinct)
    again = distinct[rng.integers(len(distinct), size=missing)]
    every = rng.permutation(np.concatenate((distinct, again)))
    return every[:, 0], every[:, 1]
