"""A full disk, damaged files of compiled code or a removed temporary folder cause no failed answer."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.setting_types import ROOT
from recommender.entities import DatabaseName
from recommender.ranking.top_k import find_best
from recommender.texts.id_table import find_texts
from tests.support.compiled_code import copy_compiled_code
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls
from tests.support.processes import NO_MODELS, environment
from tests.support.reference import Reference
from tests.support.small_disk import SmallDisk, mounted_small_disk
from tests.support.waiting import eventually, wait_until

pytestmark = pytest.mark.slow

REQUESTS = "marquee_request_duration_seconds_count"
NOT_FOUND = {"endpoint": "none", "status": "404"}
QUICK = {"CATALOG_REFRESH_SECONDS": "1"}
# Addresses and statuses that no request had before.
NEW_SERIES = (
    ("GET", "/nowhere", 404),
    ("DELETE", "/health", 405),
    ("GET", "/docs", 200),
    ("PUT", "/docs", 405),
    ("GET", "/api/recommendations/not-an-id", 400),
    ("GET", "/api/media/popular?limit=0", 400),
    ("GET", "/api/media/11111111-1111-4111-8111-111111111111/similar", 404),
    ("POST", "/api/recommendations/batch", 415),
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted_small_disk(tmp_path, "1m") as disk:
        yield disk


def open_new_series(server: GunicornServer) -> None:
    """Send requests over enough connections to reach each worker."""
    for _ in range(6):
        for method, path, status in NEW_SERIES:
            assert server.request(method, path).status == status


def replace_workers(server: GunicornServer, number: signal.Signals) -> None:
    """Kill a worker, or reload."""
    before = set(server.workers())
    if number == signal.SIGHUP:
        server.process.send_signal(number)
        wait_until(lambda: len(server.workers()) == 2 and not before & set(server.workers()))
    else:
        victim = before.pop()
        server.workers()[victim].send_signal(number)
        wait_until(lambda: len(server.workers()) == 2 and victim not in server.workers())
    wait_until(lambda: server.value("marquee_workers", {"status": "ready"}) == 2)


def test_on_a_full_disk_new_series_are_counted_and_workers_replaced(
    shared_databases: Urls, disk: SmallDisk
) -> None:
    with running_gunicorn(shared_databases, TMPDIR=str(disk.path)) as server:
        workers = set(server.workers())
        disk.fill()
        open_new_series(server)
        assert set(server.workers()) == workers
        wanted = server.value(REQUESTS, NOT_FOUND)
        assert wanted == 6
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
            replace_workers(server, number)
            wanted += 6
            open_new_series(server)
            assert server.value(REQUESTS, NOT_FOUND) == wanted
        assert server.process.poll() is None


def test_on_a_full_disk_workers_are_recycled(shared_databases: Urls, disk: SmallDisk) -> None:
    with running_gunicorn(shared_databases, TMPDIR=str(disk.path), MAX_REQUESTS="30") as server:
        workers = set(server.workers())
        disk.fill()
        answers = []

        def are_replaced() -> bool:
            answers.append(server.get("/nowhere").status)
            return not workers & set(server.workers())

        # The workers do not share the requests equally.
        assert eventually(are_replaced, 30)
        assert set(answers) == {404}
        assert server.value(REQUESTS, NOT_FOUND) == len(answers)


@pytest.mark.parametrize("vanished", ["what is in it", "all of it"])
def test_without_the_temporary_folder_it_serves_and_counts(
    shared_databases: Urls, tmp_path: Path, vanished: str
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    with running_gunicorn(shared_databases, TMPDIR=str(folder)) as server:
        open_new_series(server)
        for path in list(folder.iterdir()) if vanished == "what is in it" else [folder]:
            shutil.rmtree(path)
        open_new_series(server)
        wait_until(lambda: any(folder.glob("marquee-catalog-*/*/announcement.json")))
        for number in (signal.SIGKILL, signal.SIGHUP):
            replace_workers(server, number)
            assert server.value(REQUESTS, NOT_FOUND) == 12
        assert server.process.poll() is None


def test_on_a_full_disk_each_worker_loads_the_catalog_on_its_own(databases: Urls, disk: SmallDisk) -> None:
    with running_gunicorn(databases, TMPDIR=str(disk.path), **QUICK) as server:
        disk.fill()
        add_an_item(databases)
        assert eventually(lambda: all_have_all_items(server, databases), 20.0)
        assert "this worker loads the catalog on its own" in server.log.read_text()
        assert not list(disk.path.glob("marquee-catalog-*/*/*.draft")), "it takes what little space there is"
        replace_workers(server, signal.SIGKILL)
        # Until its first load it uses the index that was announced before the disk was full.
        assert eventually(lambda: all_have_all_items(server, databases), 20.0)


def test_on_a_full_disk_the_service_starts_and_commands_run_without_compiled_code(
    shared_databases: Urls, disk: SmallDisk
) -> None:
    # Some of the code is there, so that not everything is compiled.
    copy_compiled_code(find_best, disk.path)
    disk.fill()
    cache = {"NUMBA_CACHE_DIR": str(disk.path)}
    prune = [sys.executable, "-m", "recommender", "models", "prune"]
    done = subprocess.run(  # noqa: S603 - our own
        prune,
        env=environment(MODEL_PATH=NO_MODELS, **cache),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "There is nothing to remove.\n"), done.stderr
    with running_gunicorn(shared_databases, WORKERS="1", **cache) as server:
        assert server.get("/api/media/popular").status == 200
        assert server.log.read_text().count("Compiled code cannot be kept in") == 1


def test_after_a_power_cut_the_service_compiles_what_was_not_written_completely(
    shared_databases: Urls, tmp_path: Path
) -> None:
    whole = copy_compiled_code(find_best, tmp_path)
    written_at = [path.stat().st_mtime_ns for path in whole]
    files = copy_compiled_code(find_texts, tmp_path)
    assert len(files) > 10
    for number, path in enumerate(files):
        os.truncate(path, path.stat().st_size // 2 if number % 2 else 0)
    with running_gunicorn(shared_databases, WORKERS="1", NUMBA_CACHE_DIR=str(tmp_path)) as server:
        assert server.get("/api/media/popular").status == 200
    assert all(path.stat().st_size for path in files)
    assert [path.stat().st_mtime_ns for path in whole] == written_at


def add_an_item(urls: Urls) -> None:
    with psycopg.connect(urls[DatabaseName.CATALOG]) as connection:
        connection.execute("INSERT INTO medias (id, title) VALUES (gen_random_uuid(), 'New')")


def all_have_all_items(server: GunicornServer, urls: Urls) -> bool:
    found = [server.get("/ready").body["catalogue"] for _ in range(8)]
    return {each["media"] for each in found if each is not None} == {len(Reference(urls).catalog)}
