"""Live SQL finds the users of an item among interactions of types that say nothing about taste."""

import pytest

from tests.support.postgres import Urls
from tests.support.tiny import Tiny

LIKERS = range(10, 16)
CAPS = {"USERS_PER_ITEM": "8"}


@pytest.fixture
def tiny(empty_databases: Urls) -> Tiny:
    """Six users who like one item of the asker, and each one other item."""
    tiny = Tiny(empty_databases)
    # A user who shares no item, so that no idf is 0.
    tiny.add(99, 109, hours_ago=1)
    tiny.add(1, 100, hours_ago=50)
    for user in LIKERS:
        tiny.add(user, 100, hours_ago=40, kind="LIKE")
        tiny.add(user, 200 + user - 10, hours_ago=40, kind="LIKE")
    return tiny


def test_impressions_of_other_users_hide_no_similar_user(tiny: Tiny) -> None:
    before = tiny.collaborative(**CAPS)
    assert len(before) == len(LIKERS)
    for user in range(1000, 1080):
        tiny.add(user, 100, hours_ago=2, kind="IMPRESSION")
    assert tiny.collaborative(**CAPS) == before
