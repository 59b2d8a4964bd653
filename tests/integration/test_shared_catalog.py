"""Workers of one Gunicorn share the catalog index, and paging stays consistent while it changes."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from recommender.entities import DatabaseName
from tests.support.clients import PATIENT, running_app
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually

CATALOG, ENGAGEMENT = DatabaseName.CATALOG, DatabaseName.ENGAGEMENT
QUICK = {"CATALOG_REFRESH_SECONDS": "1"}
PATHS = ("/api/recommendations/11111111-1111-4111-8111-111111111111", "/api/media/popular")


@contextmanager
def popularity_moving(urls: Urls) -> Iterator[None]:
    """Insert new users who like media at the end of the ranking, continuously."""
    item_ids = sorted(Reference(urls).catalog)
    done = threading.Event()

    def like() -> None:
        with psycopg.connect(urls[ENGAGEMENT], autocommit=True) as connection:
            for number in itertools.count(20_000_000):
                if done.wait(0.02):
                    return
                connection.execute(
                    "INSERT INTO interaction VALUES "
                    "(%s, gen_random_uuid(), %s, 'LIKE', 1.0, now() AT TIME ZONE 'UTC')",
                    (number, item_ids[number * 7 % len(item_ids)]),
                )

    thread = threading.Thread(target=like)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def ids(body: dict[str, Any]) -> list[str]:
    return [item["id"] for item in body.get("recommendations") or body["media"]]


def six_pages(server: GunicornServer, path: str) -> list[str]:
    """Read six pages by the index that the first one named."""
    first = server.get(f"{path}?limit=10").body
    seen = ids(first)
    for offset in range(10, 60, 10):
        time.sleep(0.25)
        page = server.get(f"{path}?limit=10&offset={offset}&index={first['index']}").body
        assert page["index"] == first["index"]
        seen += ids(page)
    return seen


@pytest.fixture
def moving(databases: Urls) -> Iterator[GunicornServer]:
    with running_gunicorn(databases, **QUICK, **PATIENT) as server, popularity_moving(databases):
        yield server


def test_pages_neither_repeat_nor_skip_while_popularity_moves(moving: GunicornServer) -> None:
    for path in PATHS * 2:
        seen = six_pages(moving, path)
        assert len(seen) == len(set(seen)) == 60


def test_workers_switch_to_the_same_index_at_the_same_moment(moving: GunicornServer) -> None:
    versions: list[list[str]] = []
    stop = time.monotonic() + 6.0
    while time.monotonic() < stop:
        # New connections, so that either worker answers.
        versions.append([moving.get("/ready").body["catalogue"]["index"] for _ in range(6)])
        time.sleep(0.2)
    assert len({version for group in versions for version in group}) >= 3, "it did move"
    # If they differ, the switch was in between: one change, and none back.
    order = [version for version, _ in itertools.groupby(version for group in versions for version in group)]
    again = [version for version, times in Counter(order).items() if times > 1]
    assert len(again) <= 1, order


def test_a_request_for_an_expired_index_uses_the_current_one(service: GunicornServer) -> None:
    for path in PATHS:
        current = service.get(path).body
        assert service.get(f"{path}?index=0123456789abcdef").body == current
        assert service.get(f"{path}?index={'x' * 65}").status == 400


def test_one_worker_reads_the_databases_for_all(shared_databases: Urls) -> None:
    with running_gunicorn(shared_databases, WORKERS="4", LOG_FORMAT="json", **QUICK) as server:
        time.sleep(4.0)
        readers = {line["process"] for line in server.logged(logger="recommender.catalog.refresh")}
    assert len(readers) == 1


def test_another_worker_replaces_a_killed_reader(databases: Urls) -> None:
    with running_gunicorn(databases, LOG_FORMAT="json", **QUICK) as server:
        (reader,) = {line["process"] for line in server.logged(logger="recommender.catalog.refresh")}
        server.workers()[reader].kill()
        with psycopg.connect(databases[CATALOG]) as connection:
            connection.execute("INSERT INTO medias (id, title) VALUES (gen_random_uuid(), 'New')")
        item_count = len(Reference(databases).catalog)

        def all_have_it() -> bool:
            found = [server.get("/ready").body["catalogue"] for _ in range(8)]
            return all(each is not None and each["media"] == item_count for each in found)

        assert eventually(all_have_it, 20.0)
        readers = {line["process"] for line in server.logged(logger="recommender.catalog.refresh")}
        assert len(readers) == 2


def test_without_the_shared_folder_each_worker_loads_on_its_own(databases: Urls, tmp_path: Path) -> None:
    with running_gunicorn(databases, TMPDIR=str(tmp_path), **QUICK) as server:
        (folder,) = tmp_path.glob("marquee-catalog-*/[!.]*")
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("in the way")
        with psycopg.connect(databases[CATALOG]) as connection:
            connection.execute("INSERT INTO medias (id, title) VALUES (gen_random_uuid(), 'New')")
        item_count = len(Reference(databases).catalog)
        assert eventually(
            lambda: {server.get("/ready").body["catalogue"]["media"] for _ in range(8)} == {item_count}, 20.0
        )
        assert "this worker loads the catalog on its own" in server.log.read_text()
        folder.unlink()


@pytest.mark.parametrize("damage", [b"", b"damaged" * 1000])
def test_a_worker_that_finds_a_damaged_snapshot_reads_the_databases(
    shared_databases: Urls, tmp_path: Path, damage: bytes
) -> None:
    with running_app(shared_databases) as reader, running_app(shared_databases) as other:
        parts = [app.extensions["container"] for app in (reader, other)]
        for part in parts:
            part.share_catalog(tmp_path)
        parts[0].open()
        parts[0].wait_for_catalog(10.0)
        version = parts[0].status.read().catalog.version
        (snapshot,) = tmp_path.glob(f"*/{version}-*.entries")
        snapshot.write_bytes(damage)
        parts[1].open()
        # On a busy machine, its first attempt may not get a connection in time.
        assert eventually(lambda: getattr(parts[1].status.read().catalog, "version", None) == version)
        assert eventually(
            lambda: any(path.read_bytes() != damage for path in tmp_path.glob(f"*/{version}-*.entries"))
        ), "written again"


def test_a_stopped_service_leaves_no_files(shared_databases: Urls, tmp_path: Path) -> None:
    with running_gunicorn(shared_databases, TMPDIR=str(tmp_path)) as server:
        assert server.get("/ready").status == 200
        assert list(tmp_path.glob("marquee-catalog-*/*/announcement.json"))
        assert server.stop() == 0
    assert not list(tmp_path.iterdir())
