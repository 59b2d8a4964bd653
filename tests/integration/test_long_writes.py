"""Writes of many rows are not ended by timeouts of the role or database."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from recommender.databases.loading import WritableDatabase
from recommender.databases.queries import SQL_ROOT
from recommender.databases.recommendation_db import RecommendationDatabase
from recommender.entities import DatabaseName
from tests.support.postgres import Urls

ENGAGEMENT = DatabaseName.ENGAGEMENT
_TIMEOUT = "1s"
_WORK_S = 1.5
ARTIFACT = {
    "model": "als",
    "version": "v1",
    "hyperparameters": "{}",
    "metrics": "{}",
    "fingerprint": "{}",
    "blend": None,
    "counts": "{}",
    "code_version": "1",
    "made_by": "test",
    "training_run": None,
    "built_at": "2026-01-01T00:00:00+00:00",
}


@pytest.fixture(params=["statement_timeout", "transaction_timeout"])
def url(request: pytest.FixtureRequest, databases: Urls) -> str:
    """Return the URL of a database with the tables of recommendation_db, and with a timeout."""
    url = databases[ENGAGEMENT]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((SQL_ROOT / "recommendation_db/migrations/0001_create_tables.sql").read_bytes())
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET {request.param} = '{_TIMEOUT}'".encode())
    return url


def test_embeddings_of_many_users_are_recorded(url: str) -> None:
    def embeddings() -> Iterator[tuple[str, list[float]]]:
        for user in range(3):
            yield f"{user:032x}", [0.5]
            time.sleep(_WORK_S / 3)

    RecommendationDatabase(url).record(ARTIFACT, embeddings(), [], is_current=True)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM user_features").fetchone() == (3,)


def test_indexes_of_an_import_are_built(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP INDEX interaction_user_recent_idx")
    no_timeouts = "-c statement_timeout=0 -c transaction_timeout=0"
    with WritableDatabase(ENGAGEMENT, url) as database, psycopg.connect(url, options=no_timeouts) as app:
        # Building waits for this lock instead of for a large table.
        app.execute("LOCK TABLE interaction IN ROW EXCLUSIVE MODE")
        release = threading.Timer(_WORK_S, app.rollback)
        release.start()
        database.create_indexes()
        release.join()
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT to_regclass('interaction_user_recent_idx') IS NOT NULL")
        assert found.fetchone() == (True,)
