"""Hosts without a shared MODEL_PATH train separately, but read the databases one at a time."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from recommender.entities import DatabaseName
from recommender.model_store.runs import TrainingOutcome, read_runs
from tests.support.forked import ForkedProcess, fork
from tests.support.gunicorn import settings_alone
from tests.support.postgres import Urls
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

_PATIENCE_S = 60
ENGAGEMENT = DatabaseName.ENGAGEMENT
HOSTS = ("first", "second")
# The upper and the lower half of the key of an advisory lock in pg_locks.
TURN = "locktype = 'advisory' AND classid = 0 AND objid = 7107001"

Run = Callable[..., ForkedProcess]


@pytest.fixture
def start(databases: Urls, tmp_path: Path) -> Iterator[Run]:
    """Start a training run as on a host that has its own MODEL_PATH."""
    with ExitStack() as started:

        def run(host: str, **variables: str) -> ForkedProcess:
            named = {f"{name.upper()}_URL": url for name, url in databases.items()}
            # A configured model is trained without a comparison.
            settings = settings_alone(MODEL="popularity", MODEL_PATH=str(tmp_path / host), **variables)
            process = fork(
                ["-m", "recommender", "trainer", "--once"],
                {**os.environ, **settings, **named},
                tmp_path / f"{host}-log",
            )
            started.callback(process.kill)
            return process

        yield run


@contextmanager
def rows_locked(urls: Urls) -> Iterator[None]:
    """Lock interactions, so that readers wait."""
    with psycopg.connect(urls[ENGAGEMENT]) as connection:
        connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        yield


def count(urls: Urls, query: str) -> int:
    with psycopg.connect(urls[ENGAGEMENT]) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


def holders(urls: Urls) -> int:
    database = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    return count(urls, f"SELECT count(*) FROM pg_locks WHERE {TURN} AND {database} AND granted")  # noqa: S608 - constants


def readers(urls: Urls) -> int:
    """Return how many sessions read interactions, and wait for the table."""
    return count(
        urls,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event_type = 'Lock' AND wait_event = 'relation'",
    )


def sessions(urls: Urls) -> int:
    return count(
        urls,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )


def outcomes(tmp_path: Path) -> list[list[TrainingOutcome]]:
    return [[run.outcome for run in read_runs(tmp_path / host, 9)] for host in HOSTS]


def test_two_hosts_read_one_after_the_other_and_each_publishes(
    start: Run, databases: Urls, tmp_path: Path
) -> None:
    with rows_locked(databases):
        runs = [start(host) for host in HOSTS]
        # One session holds the lock, and each run has one.
        wait_until(lambda: sessions(databases) == 3 and readers(databases) == 1)
        for _ in range(20):
            assert (holders(databases), readers(databases)) == (1, 1), "the other one waits for its turn"
        assert all(run.poll() is None for run in runs)
    assert [run.wait(_PATIENCE_S) for run in runs] == [0, 0]
    assert outcomes(tmp_path) == [[TrainingOutcome.REFITTED], [TrainingOutcome.REFITTED]]
    assert holders(databases) == 0, "nothing keeps the next one from reading"


def test_a_host_that_dies_while_it_reads_gives_its_turn_away(
    start: Run, databases: Urls, tmp_path: Path
) -> None:
    with rows_locked(databases):
        first = start(HOSTS[0])
        wait_until(lambda: readers(databases) == 1)
        second = start(HOSTS[1])
        wait_until(lambda: sessions(databases) == 3)
        first.kill()
        first.wait(_PATIENCE_S)
    assert second.wait(_PATIENCE_S) == 0
    assert outcomes(tmp_path) == [[], [TrainingOutcome.REFITTED]]


@pytest.mark.parametrize("variables", [{"PREPARED_STATEMENTS": "false"}, {"SESSION_SETTINGS_BY": "role"}])
def test_behind_a_pooler_that_shares_sessions_no_turn_is_taken(
    start: Run, databases: Urls, variables: dict[str, str]
) -> None:
    """The pooler would keep the session, and the lock with it, for other clients."""
    with rows_locked(databases):
        runs = [start(host, **variables) for host in HOSTS]
        wait_until(lambda: readers(databases) == 2)
        assert holders(databases) == 0
    assert [run.wait(_PATIENCE_S) for run in runs] == [0, 0]
