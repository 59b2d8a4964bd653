"""A model that is trained for an experiment never serves all users, unless it is promoted."""

from pathlib import Path

import pytest

from recommender.model_store import artifact
from recommender.model_store.currents import VersionRef, serving_version
from tests.support.clients import PATIENT, get, running_client
from tests.support.commands import Run
from tests.support.postgres import Urls

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_models")]

TRIED = "item_knn"


def answering(urls: Urls, folder: Path, user: str) -> str:
    """Return the model that answers with `MODEL=auto`."""
    settings = {"MODEL": "auto", "MODEL_PATH": str(folder), "TRAINING_SCHEDULE": "never", **PATIENT}
    with running_client(urls, **settings) as client:
        return str(get(client, user, limit=1)["model"])


def test_without_a_model_for_all_live_sql_stays(
    run_on_models: Run, databases: Urls, folder: Path, user: str
) -> None:
    assert run_on_models("train", TRIED, "--keep-serving").status == 0
    assert artifact.current_version(folder, TRIED) is not None
    assert serving_version(folder) is None
    assert answering(databases, folder, user) == "live"


def test_a_training_run_does_not_take_it_as_the_champion(run_on_models: Run, folder: Path) -> None:
    assert run_on_models("train", TRIED, "--keep-serving", "--set", "shrinkage=3").status == 0
    result = run_on_models("trainer", "--once")
    assert result.status == 0
    assert "neighbours 40/60" in result.out
    serving = serving_version(folder)
    assert serving is not None
    assert artifact.read_metadata(folder, *serving).provenance.run == 1


def test_it_does_not_take_over_when_the_serving_model_is_withdrawn(
    run_on_models: Run, folder: Path, user: str
) -> None:
    for command in (("train", "popularity"), ("train", TRIED, "--keep-serving")):
        assert run_on_models(*command).status == 0
    (folder / "popularity" / "current").resolve().joinpath("metadata.json").write_text("{")
    assert run_on_models("forget", user).status == 3
    assert artifact.current_version(folder, "popularity") is None
    kept = artifact.current_version(folder, TRIED)
    assert kept is not None
    assert not artifact.read_metadata(folder, TRIED, kept).provenance.for_all
    assert serving_version(folder) is None
    assert run_on_models("models", "promote", kept).status == 0
    (folder / "current").unlink()
    assert serving_version(folder) == (TRIED, kept), "promoted, it may serve all"


def test_forgetting_a_user_keeps_the_hyperparameters_that_serve_all(
    run_on_models: Run, folder: Path, user: str
) -> None:
    assert run_on_models("train", TRIED).status == 0
    before = artifact.read_metadata(folder, *serving_of(folder))
    assert run_on_models("train", TRIED, "--keep-serving", "--set", "shrinkage=3").status == 0
    assert run_on_models("forget", user).status == 0
    after = artifact.read_metadata(folder, *serving_of(folder))
    assert after.version > before.version
    assert after.hyperparameters == before.hyperparameters
    assert after.provenance.for_all


def serving_of(folder: Path) -> VersionRef:
    serving = serving_version(folder)
    assert serving is not None
    return serving
