"""A training of a new installation, without interactions to learn from, is no failure."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from recommender.entities import DatabaseName
from recommender.model_store.runs import TrainingOutcome, read_runs
from recommender.trainer.state import TrainingReader
from tests.support.commands import Result
from tests.support.postgres import Urls

pytestmark = pytest.mark.slow

EMPTY = "TRUNCATE interaction"
TOO_OLD = "UPDATE interaction SET timestamp = timestamp - interval '20 years'"

Train = Callable[[], Result]


@pytest.fixture
def train(run_on_models: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Train:
    monkeypatch.setenv("MODEL", "popularity")
    return lambda: run_on_models("trainer", "--once")


def change(urls: Urls, statement: str) -> None:
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize("statement", [EMPTY, TOO_OLD], ids=["no interactions", "none in the window"])
def test_without_anything_to_learn_from_a_training_does_not_fail(
    train: Train, databases: Urls, folder: Path, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    change(databases, statement)
    assert train().status == 1, "nothing was trained"
    (run,) = read_runs(folder)
    assert (run.outcome, run.version) == (TrainingOutcome.NO_DATA, None)
    assert run.reason.startswith("There is nothing to learn from yet: there are no ")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not TrainingReader(folder, trains=True).read().failed


def test_interactions_that_are_gone_make_a_training_fail(train: Train, databases: Urls, folder: Path) -> None:
    assert train().status == 0
    change(databases, EMPTY)
    assert train().status == 1
    last, first = read_runs(folder)
    assert last.outcome is TrainingOutcome.FAILED
    state = TrainingReader(folder, trains=True).read()
    assert (state.failed, state.last_success) == (True, datetime.fromisoformat(first.ended_at).timestamp())
    assert datetime.now(UTC).timestamp() - state.last_success < 600
