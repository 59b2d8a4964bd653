"""A swapped-out index is freed: with 300,000 items, one takes some 150 MB."""

import gc
import weakref
from functools import partial
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.catalog import refresh
from recommender.catalog.index import CatalogIndex, index_of
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, get, running_client
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import wait_until


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[CatalogIndex]]:
    """Collect every index that is built from now on, the latest last."""
    built: list[weakref.ref[CatalogIndex]] = []

    def build(*arguments: Any) -> CatalogIndex:
        index = index_of(*arguments)
        built.append(weakref.ref(index))
        return index

    monkeypatch.setattr(refresh, "index_of", build)
    # The index before is kept for one refresh interval, for pages that request it.
    monkeypatch.setattr(refresh, "_KEEP_S", 0.0)
    return built


def is_counted(client: FlaskClient, window_days: int) -> bool:
    return not client.get(f"/api/media/popular?window_days={window_days}").get_json()["counting"]


def has_more_than(built: list[weakref.ref[CatalogIndex]], number: int) -> bool:
    return len(built) > number


def move_popularity(urls: Urls, item_id: str) -> None:
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
        connection.execute(
            "INSERT INTO interaction SELECT max(id) + 1, gen_random_uuid(), %s, 'LIKE', 1.0, "
            "now() AT TIME ZONE 'UTC' FROM interaction",
            (item_id,),
        )


def test_an_index_that_was_swapped_out_is_collected(
    databases: Urls, built: list[weakref.ref[CatalogIndex]]
) -> None:
    reference = Reference(databases)
    item_id = reference.popularity.most_common(1)[0][0]
    with running_client(databases, CATALOG_REFRESH_SECONDS="1", **NO_CAPS) as client:
        used = 0
        for window_days in (7, 30, 0):
            move_popularity(databases, item_id)
            number = len(built)
            wait_until(partial(is_counted, client, window_days))
            client.get(f"/api/media/{item_id}/similar")
            client.post("/api/recommendations/preview", json={"genres": ["Drama"], "liked": [item_id]})
            get(client, reference.users[0], explain="true", genre="DRAMA")
            client.get(f"/explorer/users/{reference.users[0]}")
            wait_until(partial(has_more_than, built, number + 2))
            used = number
        gc.collect()
        assert used > 1
        assert [index for index in built[:used] if index() is not None] == []
