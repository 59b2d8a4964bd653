"""Small datasets for models."""

import hashlib
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from recommender.catalog.index import CatalogIndex, build_index
from recommender.catalog.popularity import Popularity
from recommender.data.dataset import Dataset, dataset_of
from recommender.databases.engagement_db import PositiveHistory
from recommender.domains.media import MEDIA
from recommender.entities import CatalogEntry, History
from recommender.models.base import UserContext, Window

ALL_TIME = Window(0, "-infinity")


def dataset(histories: Mapping[str, Sequence[str]]) -> Dataset:
    """Return a dataset of each user's items, latest first, each liked once with the value 1."""
    return dataset_of(
        (
            PositiveHistory(
                user_id,
                list(item_ids),
                np.ones(len(item_ids)),
                [True] * len(item_ids),
                np.arange(len(item_ids), 0, -1).astype(np.float64),
            )
            for user_id, item_ids in histories.items()
        ),
        ALL_TIME.start,
    )


def _none(_: str) -> Sequence[str]:
    return ()


def index_of(
    data: Dataset,
    others: Collection[str] = (),
    genres: Callable[[str], Sequence[str]] = _none,
    without: Collection[str] = (),
) -> CatalogIndex:
    """Return a catalog index of a dataset's items and some others, with the popularity in the dataset.

    `without`: items of the dataset that the catalog does not have.
    """
    counts = np.bincount(data.item_idx, minlength=len(data.item_ids)).tolist()
    popularity = Popularity.of(dict(zip(data.item_ids, counts, strict=True)), len(data.user_ids))
    item_ids = sorted({*data.item_ids, *others} - set(without))
    others_unknown = (None,) * (len(MEDIA.indexed) - 1)
    entries = [
        CatalogEntry((genres(item_id), *others_unknown), item_id, _key(item_id)) for item_id in item_ids
    ]
    return build_index(entries, popularity)


def context(user_id: str, item_ids: Sequence[str]) -> UserContext:
    """Return a user with a history of liked items, latest first."""
    return UserContext(
        user_id,
        {},
        History(item_ids, item_ids, [1] * len(item_ids), [True] * len(item_ids), _key(user_id)),
        ALL_TIME,
    )


def _key(text: str) -> bytes:
    """Return the id in the binary form of the databases, if it is a valid id."""
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return hashlib.blake2b(text.encode(), digest_size=16).digest()
