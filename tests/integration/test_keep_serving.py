"""A model that is trained for an experiment never serves all users, unless it is promoted."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from recommender.entities import DatabaseName
from recommender.model_store import artifact
from recommender.model_store.currents import serving_version
from recommender.models.registry import MODELS
from recommender.trainer import candidates
from tests.support.clients import PATIENT, get, running_client
from tests.support.commands import Result, runner
from tests.support.postgres import Urls

pytestmark = pytest.mark.slow

Run = Callable[..., Result]
TRIED = "item_knn"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def run(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    run = runner(databases, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(folder))
    # Models that train quickly.
    monkeypatch.setattr(
        candidates, "MODELS", {name: MODELS[name] for name in ("popularity", "neighbours", TRIED)}
    )
    return run


@pytest.fixture
def user(databases: Urls) -> str:
    with psycopg.connect(databases[DatabaseName.ENGAGEMENT]) as connection:
        (found,) = connection.execute("SELECT min(user_id::text) FROM interaction").fetchall()
        return str(found[0])


def answering(urls: Urls, folder: Path, user: str) -> str:
    """Return the model that answers with `MODEL=auto`."""
    settings = {"MODEL": "auto", "MODEL_PATH": str(folder), "TRAINING_SCHEDULE": "never", **PATIENT}
    with running_client(urls, **settings) as client:
        return str(get(client, user, limit=1)["model"])


def test_without_a_model_for_all_live_sql_stays(run: Run, databases: Urls, folder: Path, user: str) -> None:
    assert run("train", TRIED, "--keep-serving").status == 0
    assert artifact.current_version(folder, TRIED) is not None
    assert serving_version(folder) is None
    assert answering(databases, folder, user) == "live"


def test_a_training_run_does_not_take_it_as_the_champion(run: Run, folder: Path) -> None:
    assert run("train", TRIED, "--keep-serving", "--set", "shrinkage=3").status == 0
    result = run("trainer", "--once")
    assert result.status == 0
    assert "neighbours 40/60" in result.out
    serving = serving_version(folder)
    assert serving is not None
    assert artifact.read_metadata(folder, *serving).provenance.run == 1


def test_it_does_not_take_over_when_the_serving_model_is_withdrawn(run: Run, folder: Path, user: str) -> None:
    for command in (("train", "popularity"), ("train", TRIED, "--keep-serving")):
        assert run(*command).status == 0
    (folder / "popularity" / "current").resolve().joinpath("metadata.json").write_text("{")
    assert run("forget", user).status == 3
    assert artifact.current_version(folder, "popularity") is None
    kept = artifact.current_version(folder, TRIED)
    assert kept is not None
    assert not artifact.read_metadata(folder, TRIED, kept).provenance.for_all
    assert serving_version(folder) is None
    assert run("models", "promote", kept).status == 0
    (folder / "current").unlink()
    assert serving_version(folder) == (TRIED, kept), "promoted, it may serve all"
