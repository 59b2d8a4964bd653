"""Which interactions the live caps leave out, on a small data set."""

from pathlib import Path

import pytest

from recommender.databases.queries import load_queries
from tests.support.postgres import Urls
from tests.support.tiny import ENGAGEMENT, Tiny, key


@pytest.fixture
def tiny(empty_databases: Urls) -> Tiny:
    tiny = Tiny(empty_databases)
    # A user who shares no item, so that no idf is 0.
    tiny.add(99, 109, hours_ago=1)
    return tiny


def test_history_items_takes_the_latest_of_the_users_items(tiny: Tiny) -> None:
    for place, hours_ago in ((0, 1), (1, 5)):
        tiny.add(1, 100 + place, hours_ago)
        tiny.add(10 + place, 100 + place, hours_ago=2)
        tiny.add(10 + place, 200 + place, hours_ago=2)
    assert set(tiny.collaborative()) == {key(200), key(201)}
    assert set(tiny.collaborative(HISTORY_ITEMS="1")) == {key(200)}


def test_users_per_item_takes_the_latest_of_an_items_users(tiny: Tiny) -> None:
    tiny.add(1, 100, hours_ago=1)
    for place, hours_ago in ((0, 9), (1, 3), (2, 6)):
        tiny.add(10 + place, 100, hours_ago)
        tiny.add(10 + place, 200 + place, hours_ago=1)
    assert set(tiny.collaborative(USERS_PER_ITEM="1")) == {key(201)}
    assert set(tiny.collaborative(USERS_PER_ITEM="2")) == {key(201), key(202)}


def test_items_per_user_takes_the_latest_of_a_similar_users_items(tiny: Tiny) -> None:
    tiny.add(1, 100, hours_ago=1)
    for item, hours_ago in ((100, 8), (200, 7), (201, 2), (202, 4)):
        tiny.add(10, item, hours_ago)
    assert set(tiny.collaborative(ITEMS_PER_USER="1")) == {key(201)}
    assert set(tiny.collaborative(ITEMS_PER_USER="2")) == {key(201), key(202)}


def test_the_shortlist_keeps_the_largest_overlaps(tiny: Tiny) -> None:
    for item in (100, 101, 102):
        tiny.add(1, item, hours_ago=1)
        tiny.add(10, item, hours_ago=1)
    tiny.add(11, 100, hours_ago=1)
    tiny.add(10, 200, hours_ago=1)
    tiny.add(11, 201, hours_ago=1)
    assert set(tiny.collaborative(SHORTLIST="1")) == {key(200)}


def test_items_that_the_user_watched_repeatedly_hide_no_similar_user(tiny: Tiny) -> None:
    tiny.add(10, 100, hours_ago=5)
    tiny.add(10, 200, hours_ago=5)
    for minute in range(20):
        tiny.add(1, 100, hours_ago=minute / 60)
    assert set(tiny.collaborative(USERS_PER_ITEM="3")) == {key(200)}


@pytest.mark.parametrize("absurd", [1.7e308, -1.7e308, float("nan"), float("inf"), float("-inf")])
def test_absurd_values_count_as_0(tiny: Tiny, absurd: float) -> None:
    tiny.add(1, 100, hours_ago=1)
    for user in (10, 11):
        tiny.add(user, 100, hours_ago=1)
        for item, value in ((200, absurd), (200, absurd), (201, 2.0), (202, 1.0)):
            tiny.add(user, item, hours_ago=2, value=value)
    assert tiny.collaborative() == {key(201): 1.0, key(202): 0.5}


def test_caps_count_users_and_items_and_not_repetitions(tiny: Tiny) -> None:
    """Repeated rows of a pair give the same answer as a single row."""
    pairs = [
        (user, item, 3 + 7 * user + item % 17)
        for user in (1, *range(10, 16))
        for item in (100, 101, 102 + user % 5, 200 + user % 7, 201 + user % 8)
    ]
    for user, item, hours_ago in pairs:
        tiny.add(user, item, hours_ago)
    caps = {"HISTORY_ITEMS": "3", "USERS_PER_ITEM": "3", "SHORTLIST": "4", "ITEMS_PER_USER": "3"}
    once = tiny.collaborative(**caps)
    for user, item, hours_ago in pairs:
        for repeat in range(1, 12):
            # Within a short time for some, and spread over weeks for others.
            tiny.add(user, item, hours_ago + repeat * (0.01 if item % 2 else 30))
    assert len(once) >= 3
    assert tiny.collaborative(**caps) == once


def test_if_repetitions_take_too_long_fewer_are_read(tiny: Tiny, tmp_path: Path) -> None:
    for user in (1, 10, 11):
        for repeat in range(10):
            for item in (100, 200 + user % 2):
                tiny.add(user, item, hours_ago=user + repeat)
    text = load_queries(ENGAGEMENT)["fetch_media_of_users_repeated"].path.read_text()
    pause = "CASE WHEN :rows_per_user > 6 THEN left(pg_sleep(9)::text, 0)::bytea END"
    slow = text.replace("list.media_keys, ''::bytea", f"list.media_keys, coalesce({pause}, ''::bytea)")
    assert slow != text
    (tmp_path / ENGAGEMENT).mkdir()
    (tmp_path / ENGAGEMENT / "fetch_media_of_users_repeated.sql").write_text(slow)
    found = tiny.collaborative(ITEMS_PER_USER="3", SQL_PATH=str(tmp_path), TIME_BUDGET_MS="4000")
    assert set(found) == {key(200)}
