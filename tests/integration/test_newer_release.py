"""Commands of this release leave what a newer one published in use, or say what they do with it."""

from pathlib import Path

import pytest

from recommender.model_store.currents import VersionRef, serving_version
from recommender.model_store.promotions import read_promotions
from recommender.model_store.runs import TrainingOutcome, read_runs
from tests.support.commands import Run
from tests.support.releases import publish_unknown_model
from tests.support.training import publish_made_up

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_models")]


@pytest.fixture
def newer(folder: Path) -> VersionRef:
    publish_made_up(folder, "content")
    return publish_unknown_model(folder)


def test_the_trainer_fails_and_says_why(run_on_models: Run, folder: Path, newer: VersionRef) -> None:
    assert run_on_models("trainer", "--once").status == 1
    (run,) = read_runs(folder, 2)
    assert run.outcome is TrainingOutcome.FAILED
    assert run.reason.startswith(f"{newer} was made by a newer release, and stays: ")
    assert serving_version(folder) == newer


def test_a_trainer_of_one_model_trains_it_without_letting_it_serve_all(
    run_on_models: Run, folder: Path, newer: VersionRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", "popularity")
    assert run_on_models("trainer", "--once").status == 0
    (run,) = read_runs(folder, 2)
    assert (run.outcome, run.model) == (TrainingOutcome.REFITTED, "popularity")
    assert "What people or a newer release put into use stays in use." in run.reason
    assert serving_version(folder) == newer


def test_a_training_by_hand_replaces_it(run_on_models: Run, folder: Path, newer: VersionRef) -> None:
    assert run_on_models("train", "popularity").status == 0
    serving = serving_version(folder)
    assert serving is not None
    assert serving.model == "popularity"
    assert [each.ref for each in read_promotions(folder)][-2:] == [newer, serving]


def test_forget_removes_it_and_says_so(
    run_on_models: Run, folder: Path, newer: VersionRef, user: str
) -> None:
    assert run_on_models("train", "popularity", "--keep-serving").status == 0
    result = run_on_models("forget", user)
    assert result.status == 3
    assert (
        f"{newer.model} is removed until it is trained again (this release does not know the model: a newer "
        "release made it)" in result.out
    )
    assert "popularity" in result.out
    assert serving_version(folder) is not None
    assert run_on_models("forget", user).status == 0, "nothing is left to do"
