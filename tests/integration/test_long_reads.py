"""Lists of many users or items arrive in several rows: the driver keeps a buffer of the largest row."""

import time
import uuid
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import cycle, islice

import psycopg
import pytest

from recommender.databases.connections import Row
from recommender.databases.database import Database
from recommender.databases.engagement_db import EngagementDatabase, InteractionLists
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from tests.support.clients import PATIENT, settings_for
from tests.support.postgres import Urls
from tests.support.reference import Reference

_ALL_TIME = "-infinity"
_UNKNOWN = "00000000-0000-4000-8000-00000000beef"


class _RecordedDatabase(Database):
    """A database that keeps the rows of its last statement."""

    rows: Sequence[Row] = ()

    def fetch(self, query_name: str, deadline: Deadline | None = None, **parameters: object) -> list[Row]:
        self.rows = rows = super().fetch(query_name, deadline, **parameters)
        return rows


@pytest.fixture
def database(shared_databases: Urls) -> Iterator[_RecordedDatabase]:
    database = _RecordedDatabase(DatabaseName.ENGAGEMENT, settings_for(shared_databases, **PATIENT).databases)
    database.open()
    yield database
    database.close()


def plain(lists: InteractionLists) -> tuple[object, ...]:
    """Return the columns as values that can be compared."""
    sizes, keys, times, kinds, values = lists
    return sizes.tolist(), keys, times.tolist(), kinds.tolist(), values.tolist()


@pytest.mark.parametrize("repeated", [False, True])
def test_users_are_read_500_a_row(
    database: _RecordedDatabase, reference: Reference, *, repeated: bool
) -> None:
    engagement_db = EngagementDatabase(database)
    known = sorted({str(user_id) for user_id, *_ in reference.interactions})[:40]
    keys = [uuid.UUID(user_id).bytes for user_id in islice(cycle([*known, _UNKNOWN]), 1_201)]

    def read(user_keys: Sequence[bytes]) -> InteractionLists:
        deadline = Deadline.after(60.0)
        return engagement_db.fetch_items_of_users(user_keys, _ALL_TIME, 10, deadline, repeated=repeated)

    found = read(keys)
    assert [len(sizes) // 4 for sizes, *_ in database.rows] == [500, 500, 201]
    assert len(found.sizes) == len(keys)
    alone = [read([key]) for key in keys[: len(known) + 1]]
    assert plain(found) == plain(reduce(InteractionLists.followed_by, islice(cycle(alone), len(keys))))


@pytest.mark.parametrize("enough_users", [None, 5])
def test_items_are_read_100_a_row(
    database: _RecordedDatabase, reference: Reference, enough_users: int | None
) -> None:
    engagement_db = EngagementDatabase(database)
    known = sorted({str(item_id) for _, item_id, *_ in reference.interactions if item_id})[:40]
    item_ids = list(islice(cycle([*known, _UNKNOWN]), 241))

    def read(item_ids: Sequence[str]) -> InteractionLists:
        limits, deadline = [10] * len(item_ids), Deadline.after(60.0)
        return engagement_db.fetch_users_of_items(
            item_ids, limits, _ALL_TIME, deadline, enough_users=enough_users
        )

    found = read(item_ids)
    assert [len(sizes) // 4 for sizes, *_ in database.rows] == [100, 100, 41]
    alone = [read([item_id]) for item_id in item_ids[: len(known) + 1]]
    assert plain(found) == plain(reduce(InteractionLists.followed_by, islice(cycle(alone), len(item_ids))))


def test_nobody_has_no_lists(database: _RecordedDatabase) -> None:
    engagement_db = EngagementDatabase(database)
    found = engagement_db.fetch_items_of_users([], _ALL_TIME, 10, Deadline.after(60.0), repeated=False)
    assert [len(column) for column in found] == [0, 0, 0, 0, 0]


def test_rows_that_came_in_time_may_be_collected_for_longer(shared_databases: Urls) -> None:
    settings = settings_for(shared_databases, STATEMENT_TIMEOUT_MS="100").databases
    database = Database(DatabaseName.CATALOG, settings)
    database.open()

    def collect(chunks: Iterator[list[Row]]) -> tuple[int, list[object]]:
        count = sum(map(len, chunks))
        # Longer than the statement, and waiting for its end, may take.
        time.sleep(2.5)
        with psycopg.connect(shared_databases[DatabaseName.CATALOG]) as connection:
            locks = connection.execute(
                "SELECT 1 FROM pg_locks WHERE relation = 'medias'::regclass"
            ).fetchall()
        return count, [lock for (lock,) in locks]

    try:
        count, locks = database.read("fetch_catalogue", collect)
    finally:
        database.close()
    assert count > 100
    assert locks == []
