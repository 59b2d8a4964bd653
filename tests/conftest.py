"""Fixtures: one embedded PostgreSQL a session, template databases, and apps on clones of them."""

import gc
import os
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.demo.embedded import PostgresServer, embedded_server, server_url
from recommender.demo.generate import DemoData, generate
from recommender.demo.load import load_demo
from tests.support.clients import NO_CAPS, PATIENT, no_progress, running_client
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.made_up import SMALL, off_the_edges
from tests.support.postgres import MAX_WAL_MB, Outage, Templates, Urls, folder_in_memory
from tests.support.reference import Reference

_TESTS = Path(__file__).parent
# Fixtures that serve by Gunicorn.
_SERVED = {"service", "gunicorn"}

# How long an example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Four processes for two cores: tests wait for servers and intervals half of the time.

    Fast tests wait for nothing.
    """
    cores = os.cpu_count() or 1
    return cores if config.option.markexpr == "fast" else cores * 2


def pytest_configure(config: pytest.Config) -> None:
    """Where several processes test, let each compute in one thread: others would wait for a core, busily."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only fast tests are asked for, do not import the others: that takes longer than they do."""
    if config.option.markexpr != "fast" or collection_path.parent != _TESTS:
        return None
    return collection_path.is_dir() and collection_path.name != "unit"


def pytest_sessionstart() -> None:
    """Collect no garbage while modules are imported: there is little, and each look takes longer."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave the modules and the tests themselves to no collection: they stay, and are a million objects."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need, which their folder and their fixtures say."""
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0]
        fixtures = set(getattr(item, "fixturenames", ()))
        if folder == "unit" and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.fast)
        if folder == "browser":
            item.add_marker(pytest.mark.browser)
        if "server" in fixtures:
            item.add_marker(pytest.mark.postgres)
        if fixtures & _SERVED or hasattr(getattr(item, "module", None), "running_gunicorn"):
            item.add_marker(pytest.mark.gunicorn)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server that may lose everything in a crash, which makes it fast."""
    # Not pytest's own folder: run as root, the server runs as another user, who may not go there.
    with (
        tempfile.TemporaryDirectory(
            prefix="marquee-", dir=folder_in_memory(), ignore_cleanup_errors=True
        ) as folder,
        embedded_server(Path(folder) / "postgres") as server,
    ):
        with psycopg.connect(server_url(server, "postgres"), autocommit=True) as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {name} = off".encode())
            connection.execute(f"ALTER SYSTEM SET max_wal_size = '{MAX_WAL_MB}MB'".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="session")
def generated() -> DemoData:
    now = datetime.now(UTC).replace(tzinfo=None)
    data = generate(SMALL, seed=11, now=now)
    return replace(data, interactions=[(*row[:-1], off_the_edges(row[-1], now)) for row in data.interactions])


@pytest.fixture(scope="session")
def templates(server: PostgresServer, generated: DemoData) -> Iterator[Templates]:
    templates = Templates(server, "small")
    with templates.create() as urls:
        load_demo(urls, generated, no_progress)
        yield templates


@pytest.fixture
def databases(templates: Templates) -> Iterator[Urls]:
    """Databases of this test's own, to change or break."""
    with templates.clone() as urls:
        yield urls


@pytest.fixture
def empty_databases(server: PostgresServer) -> Iterator[Urls]:
    """Databases with nothing in them, not even tables."""
    with Templates(server, f"empty_{uuid.uuid4().hex[:8]}").create() as urls:
        yield urls


@pytest.fixture(scope="session")
def shared_databases(templates: Templates) -> Iterator[Urls]:
    """Databases that no test changes."""
    with templates.clone() as urls:
        yield urls


@pytest.fixture(scope="session")
def reference(shared_databases: Urls) -> Reference:
    return Reference(shared_databases)


@pytest.fixture(scope="session")
def client(shared_databases: Urls) -> Iterator[FlaskClient]:
    """The service on the shared databases, exact."""
    with running_client(shared_databases, **NO_CAPS, **PATIENT) as client:
        yield client


@pytest.fixture(scope="session")
def service(shared_databases: Urls) -> Iterator[GunicornServer]:
    """The service on the shared databases as it is deployed."""
    with running_gunicorn(shared_databases) as service:
        yield service


@pytest.fixture
def outage(server: PostgresServer, databases: Urls) -> Iterator[Outage]:
    outage = Outage(server, databases)
    yield outage
    outage.start(*databases)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real data sets; CI must have them, others may not."""
    folder = os.environ.get("MARQUEE_DATA_DIR")
    if not folder:
        pytest.skip("MARQUEE_DATA_DIR is not set")
    return Path(folder)
