"""Sources of an evaluation: interactions, catalog and stated genres, from databases or files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.index import window_start
from recommender.data.dataset import Dataset, dataset_of
from recommender.data.forgotten import Forgotten
from recommender.data.interactions import (
    InteractionKind,
    Interactions,
    histories_of,
    interactions_of,
    positive_pairs,
    without_repeats,
)
from recommender.databases.engagement_db import InteractionArrays
from recommender.databases.user_db import UserDatabase
from recommender.deadline import Deadline
from recommender.demo.line_notes import ReadNotes
from recommender.demo.movielens import MovieLensFolder, Rating, interaction_of, item_id, user_id
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.entities import CatalogEntry
from recommender.errors import EvaluationError, NoInteractionsError
from recommender.texts.ids import IdForm

_KEY_BYTES = 16
# Users, and seconds, per statement.
_USERS_A_STATEMENT, _PATIENCE_S = 1_000, 600.0


class StatedGenres(Protocol):
    """Reads the genres that users stated, as written; users without any are absent."""

    def __call__(self, user_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the genres by user."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """The data of an evaluation.

    `name`: for display. `stated`: None if no genres are stated; histories then replace them.
    `window_days`: how many days back interactions count, 0 for all time.
    """

    name: str
    interactions: Interactions
    entries: Sequence[CatalogEntry]
    window_days: int = 0
    stated: StatedGenres | None = None
    domain: Domain = MEDIA

    def __post_init__(self) -> None:
        if not len(self.interactions.user_idx):
            raise NoInteractionsError(f"there are no interactions in {self.name}")
        if not self.entries:
            raise EvaluationError(f"there are no items in {self.name}")

    def in_catalog(self) -> NDArray[np.bool_]:
        """Return which of the items of the interactions are in the catalog; shape (items,)."""
        listed = {entry.item_id for entry in self.entries}
        return np.array([item_id in listed for item_id in self.interactions.item_ids], dtype=np.bool_)


def movielens_source(folder: Path, scale: float) -> Source:
    """Read a MovieLens folder, as `load-movielens` does; repeated ratings count once.

    Raises:
        LoadError: a file is missing or has no readable line.
    """
    files = MovieLensFolder(folder, scale)
    movies = files.movies.values()
    ratings = groupby(files.ratings(ReadNotes()), key=lambda rating: rating.user_key)
    rows = (_rated(user_key, list(given)) for user_key, given in ratings)
    return Source(
        name=printable_name(folder),
        interactions=without_repeats(interactions_of(rows)),
        entries=[entry_of(item_id(movie.key), movie.genres) for movie in movies],
    )


def dataset_up_to_now(source: Source) -> Dataset:
    """Return the dataset of all interactions in the window up to now.

    Raises:
        NoInteractionsError: nothing was liked or watched in the window.
        EvaluationError: the catalog has none of its items.
    """
    start = window_start(source.window_days)
    since = (
        -np.inf if not source.window_days else datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()
    )
    pairs = positive_pairs(source.interactions.since(since))
    if not len(pairs.item_idx):
        raise NoInteractionsError("there are no likes or watches inside INTERACTION_WINDOW_DAYS")
    if not source.in_catalog()[pairs.item_idx].any():
        raise EvaluationError(
            f"none of the {len(np.unique(pairs.item_idx)):,} media that were liked or watched in the window "
            "is in the catalog: are engagement_db and catalog_db of the same app?"
        )
    return dataset_of(histories_of(pairs, source.interactions), start)


def without_forgotten(source: Source, forgotten: Forgotten, form: IdForm) -> Source:
    """Leave out the forgotten users of a file, which may spell ids in another way than the databases.

    Args:
        source: read from files.
        forgotten: the users, with ids as in the databases.
        form: of the databases' ids.

    Raises:
        EvaluationError: no other user has interactions.
    """
    if not forgotten:
        return source
    interactions = source.interactions
    kept = [not any(each in forgotten for each in _spellings(user, form)) for user in interactions.user_ids]
    return replace(source, interactions=interactions.of_users(np.array(kept, dtype=np.bool_)))


def _spellings(user: str, form: IdForm) -> set[str]:
    """Return the spellings under which the databases may hold an id, in which a UUID has lower case."""
    try:
        as_uuid = str(UUID(user))
    except ValueError:
        as_uuid = user
    return {user, form.canonical(user) or user, as_uuid}


def printable_name(folder: Path) -> str:
    """Return the name of a folder without lone surrogates, which stand for bytes that are not UTF-8."""
    return folder.name.encode("utf-8", "backslashreplace").decode()


def entry_of(item_id: str, genres: Sequence[str]) -> CatalogEntry:
    """Return a catalog entry with genres and no other attributes."""
    others = (None,) * (len(MEDIA.filtered) - 1)
    return CatalogEntry((list(genres), *others), item_id, id_key(item_id))


def id_key(text: str) -> bytes:
    """Return an id in binary: the bytes of a UUID, else a digest."""
    try:
        return UUID(text).bytes
    except ValueError:
        return blake2b(text.encode(), digest_size=_KEY_BYTES).digest()


def stated_genres_in(user_db: UserDatabase) -> StatedGenres:
    """Return a reader of stated genres in user_db, which reads users in chunks."""

    def fetch(user_ids: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for start in range(0, len(user_ids), _USERS_A_STATEMENT):
            chunk = user_ids[start : start + _USERS_A_STATEMENT]
            found.update(user_db.fetch_genre_preferences(chunk, Deadline.after(_PATIENCE_S)))
        return found

    return fetch


def _rated(user_key: str, ratings: Sequence[Rating]) -> InteractionArrays:
    meant = [interaction_of(rating.stars) for rating in ratings]
    return InteractionArrays(
        user_id=user_id(user_key),
        item_ids=[item_id(rating.movie_key) for rating in ratings],
        kinds=[InteractionKind[kind] for kind, _ in meant],
        values=np.array([value for _, value in meant]),
        times=np.array([rating.rated_at.replace(tzinfo=UTC).timestamp() for rating in ratings]),
        excluding=[True] * len(ratings),
    )
