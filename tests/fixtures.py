"""Fixtures: one embedded PostgreSQL per session, template databases, and apps on clones of them."""

import logging
import os
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from _pytest.logging import LogCaptureHandler
from flask.testing import FlaskClient

from recommender.demo.embedded import PostgresServer, embedded_server, server_url
from recommender.demo.generate import DemoData, generate
from recommender.demo.load import load_demo
from tests.support.clients import NO_CAPS, PATIENT, no_progress, running_client
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.made_up import SMALL, off_the_edges
from tests.support.memory import folder_in_memory
from tests.support.postgres import MAX_WAL_MB, Outage, Templates, Urls
from tests.support.reference import Reference


@pytest.fixture(autouse=True)
def well_formed_log_messages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which a log message does not fit its arguments, in whatever thread.

    A logger ignores such a message, and threads that go on after errors hide what pytest raises there.
    """
    wrong: list[logging.LogRecord] = []

    def note(_handler: logging.Handler, record: logging.LogRecord) -> None:
        wrong.append(record)

    monkeypatch.setattr(LogCaptureHandler, "handleError", note)
    yield
    assert [(record.msg, record.args) for record in wrong] == []


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """Start a server without fsync, which makes it fast and may lose everything in a crash."""
    # Not pytest's own folder: under root the server runs as another user, who may not enter that folder.
    with (
        tempfile.TemporaryDirectory(
            prefix="marquee-", dir=folder_in_memory(), ignore_cleanup_errors=True
        ) as folder,
        embedded_server(Path(folder) / "postgres") as server,
    ):
        with psycopg.connect(server_url(server, "postgres"), autocommit=True) as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
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
    """Create databases for one test to change or break."""
    with templates.clone() as urls:
        yield urls


@pytest.fixture
def empty_databases(server: PostgresServer) -> Iterator[Urls]:
    """Create empty databases, without tables."""
    with Templates(server, f"empty_{uuid.uuid4().hex[:8]}").create() as urls:
        yield urls


@pytest.fixture(scope="session")
def shared_databases(templates: Templates) -> Iterator[Urls]:
    """Create databases that no test changes."""
    with templates.clone() as urls:
        yield urls


@pytest.fixture(scope="session")
def reference(shared_databases: Urls) -> Reference:
    return Reference(shared_databases)


@pytest.fixture(scope="session")
def client(shared_databases: Urls) -> Iterator[FlaskClient]:
    """Return a client of the service on the shared databases, without caps."""
    with running_client(shared_databases, **NO_CAPS, **PATIENT) as client:
        yield client


@pytest.fixture(scope="session")
def service(shared_databases: Urls) -> Iterator[GunicornServer]:
    """Serve the shared databases under Gunicorn, as in production."""
    with running_gunicorn(shared_databases) as service:
        yield service


@pytest.fixture
def outage(server: PostgresServer, databases: Urls) -> Iterator[Outage]:
    outage = Outage(server, databases)
    yield outage
    outage.start(*databases)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real data sets. CI must have it; elsewhere tests without it are skipped."""
    folder = os.environ.get("MARQUEE_DATA_DIR")
    if not folder:
        pytest.skip("MARQUEE_DATA_DIR is not set")
    return Path(folder)
