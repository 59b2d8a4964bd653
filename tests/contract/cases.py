"""The models under test, and the small data that they are trained on.

CONTRIBUTING.md says what a new model adds here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg

from config.ranking_settings import NeighbourSearchSettings
from recommender.data.dataset import Dataset
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.patient import patient_database
from recommender.entities import DatabaseName
from recommender.models.base import TrainableModel
from recommender.models.registry import MODELS
from recommender.models.user_knn.live import UserKnnSql
from tests.support.clients import PATIENT, settings_for
from tests.support.postgres import Urls
from tests.support.tiny import Tiny, key

# Hyperparameters by model, for a few dozen users.
TRAINED: Mapping[str, Mapping[str, object]] = {
    "popularity": {},
    "content": {},
    "item_knn": {"shrinkage": 1.0},
    "ease": {"regularisation": 1.0, "min_users": 1},
    "transitions": {},
    "ease_transitions": {"regularisation": 1.0, "min_users": 1},
    "als": {"factors": 4, "regularisation": 2.0, "iterations": 30},
    "neighbours": {},
}

LIVE = UserKnnSql.name

# Models that score the same for every user. Tests that depend on a history leave them out.
NOT_PERSONALISED = frozenset({"popularity"})
PERSONALISED = [LIVE, *(name for name in TRAINED if name not in NOT_PERSONALISED)]
# Models without an array of starts (offsets of slices).
WITHOUT_STARTS = frozenset({"popularity", "content", "als"})

BLOCKS, BLOCK_USERS, BLOCK_ITEMS = 4, 8, 6
_MANY = 1_000_000
_NO_CAPS = NeighbourSearchSettings(
    exact_up_to_pairs=0, history_items=_MANY, users_per_item=_MANY, shortlist=_MANY, items_per_user=_MANY
)


def user(block: int, number: int) -> str:
    return key(1_000 * (block + 1) + number)


def item(block: int, number: int) -> str:
    return key(100_000 * (block + 1) + number)


def missing_item(block: int, number: int) -> str:
    """Return the one item of a user's block that the user does not have."""
    return item(block, number % BLOCK_ITEMS)


def genres(item_id: str) -> list[str]:
    """Return the genre that exactly the items of a block have."""
    return [f"Block {int(item_id[-12:]) // 100_000}"] if int(item_id[-12:]) >= 100_000 else []


def checkerboard() -> dict[str, Sequence[str]]:
    """Make histories in which users have all items of their block but one, and none of another block.

    Every other user has them in the opposite order, so that the order does not distinguish items.
    """
    return {
        user(block, number): [
            item(block, other) for other in range(BLOCK_ITEMS) if other != number % BLOCK_ITEMS
        ][:: (1, -1)[number % 2]]
        for block in range(BLOCKS)
        for number in range(BLOCK_USERS)
    }


def fitted(name: str, data: Dataset) -> TrainableModel:
    """Return a registered model that is trained on a dataset."""
    kind: Callable[..., TrainableModel] = MODELS[name].load_class()
    model = kind(kind().config.model_copy(update=TRAINED[name]))
    model.fit(data)
    return model


@contextmanager
def live(urls: Urls, histories: Mapping[str, Sequence[str]]) -> Iterator[UserKnnSql]:
    """Return the default formula by live SQL, on databases with some histories."""
    Tiny(urls)
    rows = [
        (user_id, item_id, hour)
        for user_id, item_ids in histories.items()
        for hour, item_id in enumerate(item_ids, start=1)
    ]
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
        connection.cursor().executemany(
            "INSERT INTO interaction VALUES"
            " (%s, %s, %s, 'LIKE', 1.0, now() AT TIME ZONE 'UTC' - make_interval(hours => %s))",
            [(number, *row) for number, row in enumerate(rows)],
        )
    with patient_database(DatabaseName.ENGAGEMENT, settings_for(urls, **PATIENT).databases) as database:
        yield UserKnnSql(EngagementDatabase(database), _NO_CAPS)
