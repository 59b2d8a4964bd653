"""What the live caps leave out, on a data set small enough to see through."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from recommender.databases.loading import WritableDatabase
from recommender.domain import DatabaseName
from tests.support.clients import NO_CAPS, get, running_client
from tests.support.postgres import Urls

USER, CATALOG, ENGAGEMENT = DatabaseName


def key(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


ASKER = key(1)
# Others are users 10, 11, …; media 100, 101, … are shared with the asker, 200, 201, … are theirs alone.


class Tiny:
    """Three databases with a handful of rows, added hour by hour into the past."""

    def __init__(self, urls: Urls) -> None:
        self.urls = urls
        self._row = 0

    def add(self, user: int, media: int, hours_ago: float, value: float = 1.0) -> None:
        self._row += 1
        at = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=hours_ago)
        with psycopg.connect(self.urls[ENGAGEMENT]) as connection:
            connection.execute(
                "INSERT INTO interaction VALUES (%s, %s, %s, 'WATCH', %s, %s)",
                (self._row, key(user), key(media), value, at),
            )

    def collaborative(self, **caps: str) -> dict[str, float]:
        """What the asker is given with a collaborative score, by medium."""
        with running_client(self.urls, EXACT_UP_TO_PAIRS="0", **{**NO_CAPS, **caps}) as client:
            answer = get(client, ASKER, limit=100)
        assert answer["degraded"] == []
        scores = {item["id"]: item["collaborative_score"] for item in answer["recommendations"]}
        return {media: score for media, score in scores.items() if score > 0}


@pytest.fixture
def tiny(empty_databases: Urls) -> Tiny:
    for name, url in empty_databases.items():
        with WritableDatabase(name, url) as database:
            database.create_tables()
            database.create_indexes()
    with psycopg.connect(empty_databases[CATALOG]) as connection:
        connection.cursor().executemany(
            "INSERT INTO medias (id, title) VALUES (%s, 'Title')",
            [(key(number),) for number in (*range(100, 110), *range(200, 210))],
        )
    tiny = Tiny(empty_databases)
    # Somebody with nothing in common, so that no idf is 0.
    tiny.add(99, 109, hours_ago=1)
    return tiny


def test_history_items_takes_the_latest_of_the_users_media(tiny: Tiny) -> None:
    for place, hours_ago in ((0, 1), (1, 5)):
        tiny.add(1, 100 + place, hours_ago)
        tiny.add(10 + place, 100 + place, hours_ago=2)
        tiny.add(10 + place, 200 + place, hours_ago=2)
    assert set(tiny.collaborative()) == {key(200), key(201)}
    assert set(tiny.collaborative(HISTORY_ITEMS="1")) == {key(200)}


def test_users_per_item_takes_the_latest_of_a_mediums_users(tiny: Tiny) -> None:
    tiny.add(1, 100, hours_ago=1)
    for place, hours_ago in ((0, 9), (1, 3), (2, 6)):
        tiny.add(10 + place, 100, hours_ago)
        tiny.add(10 + place, 200 + place, hours_ago=1)
    assert set(tiny.collaborative(USERS_PER_ITEM="1")) == {key(201)}
    assert set(tiny.collaborative(USERS_PER_ITEM="2")) == {key(201), key(202)}


def test_items_per_user_takes_the_latest_of_a_similar_users_media(tiny: Tiny) -> None:
    tiny.add(1, 100, hours_ago=1)
    for media, hours_ago in ((100, 8), (200, 7), (201, 2), (202, 4)):
        tiny.add(10, media, hours_ago)
    assert set(tiny.collaborative(ITEMS_PER_USER="1")) == {key(201)}
    assert set(tiny.collaborative(ITEMS_PER_USER="2")) == {key(201), key(202)}


def test_the_shortlist_keeps_the_largest_overlaps(tiny: Tiny) -> None:
    for media in (100, 101, 102):
        tiny.add(1, media, hours_ago=1)
        tiny.add(10, media, hours_ago=1)
    tiny.add(11, 100, hours_ago=1)
    tiny.add(10, 200, hours_ago=1)
    tiny.add(11, 201, hours_ago=1)
    assert set(tiny.collaborative(SHORTLIST="1")) == {key(200)}


def test_media_the_user_watched_again_and_again_hide_nobody(tiny: Tiny) -> None:
    tiny.add(10, 100, hours_ago=5)
    tiny.add(10, 200, hours_ago=5)
    for minute in range(20):
        tiny.add(1, 100, hours_ago=minute / 60)
    assert set(tiny.collaborative(USERS_PER_ITEM="3")) == {key(200)}


@pytest.mark.parametrize("absurd", [1.7e308, -1.7e308, float("nan"), float("inf"), float("-inf")])
def test_absurd_values_count_as_nothing(tiny: Tiny, absurd: float) -> None:
    tiny.add(1, 100, hours_ago=1)
    for user in (10, 11):
        tiny.add(user, 100, hours_ago=1)
        for media, value in ((200, absurd), (200, absurd), (201, 2.0), (202, 1.0)):
            tiny.add(user, media, hours_ago=2, value=value)
    assert tiny.collaborative() == {key(201): 1.0, key(202): 0.5}
