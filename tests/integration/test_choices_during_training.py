"""What people put into use while a training runs stays in use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender.errors import EvaluationError
from recommender.model_store.artifact import current_version
from recommender.model_store.currents import latest_published, serving_version
from recommender.model_store.runs import TrainingOutcome, TrainingRun, read_runs
from recommender.model_store.store import list_versions
from recommender.models.names import AUTO
from recommender.trainer import comparison
from recommender.trainer import run as run_module
from recommender.trainer.champion import Decision
from recommender.trainer.comparison import Comparison
from tests.support.commands import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_models")]

ROLLBACK = ("models", "rollback")


@pytest.fixture
def train_while(
    run_on_models: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TrainingRun]:
    """Train, and run a command before models are compared; unless they are, the champion is trained."""

    def train_while(*command: str, is_compared: bool = False) -> TrainingRun:
        def run_first(*conditions: Any) -> Comparison:
            if command:
                assert run_on_models(*command).status == 0
            if not is_compared:
                raise EvaluationError("there is too little data")
            return comparison.compare(*conditions)

        monkeypatch.setattr(run_module, "compare", run_first)
        assert run_on_models("trainer", "--once").status == 0
        return next(read_runs(folder, 1))

    return train_while


def test_a_rollback_to_another_model_stays(
    run_on_models: Run, train_while: Callable[..., TrainingRun], folder: Path
) -> None:
    assert run_on_models("train", "popularity").status == 0
    chosen = serving_version(folder)
    assert run_on_models("train", "item_knn").status == 0
    found = train_while(*ROLLBACK)
    assert serving_version(folder) == chosen
    assert found.outcome is TrainingOutcome.REFITTED
    assert f"stays in use. `python -m recommender models promote {found.version}`" in found.reason
    assert (found.model, current_version(folder, "item_knn")) == ("item_knn", found.version)
    champion = latest_published(folder, AUTO)
    assert champion is not None
    assert champion.model == "popularity"


def test_a_rollback_to_an_earlier_version_of_the_model_stays(
    run_on_models: Run, train_while: Callable[..., TrainingRun], folder: Path
) -> None:
    assert run_on_models("train", "popularity").status == 0
    chosen = serving_version(folder)
    assert chosen is not None
    assert run_on_models("train", "popularity").status == 0
    found = train_while(*ROLLBACK)
    assert serving_version(folder) == chosen
    assert current_version(folder, "popularity") == chosen.version
    assert found.version in {each.ref.version for each in list_versions(folder)}
    assert found.version is not None
    assert run_on_models("models", "promote", found.version).status == 0
    assert serving_version(folder) == ("popularity", found.version)


def test_a_model_trained_by_hand_stays(train_while: Callable[..., TrainingRun], folder: Path) -> None:
    found = train_while("train", "item_knn")
    serving = serving_version(folder)
    assert serving is not None
    assert (serving.model, found.model) == ("item_knn", "neighbours")


def test_what_does_not_change_the_version_in_use_changes_nothing(
    run_on_models: Run, train_while: Callable[..., TrainingRun], folder: Path
) -> None:
    assert run_on_models("train", "popularity").status == 0
    found = train_while("train", "item_knn", "--keep-serving")
    assert serving_version(folder) == ("popularity", found.version)
    assert "stays in use" not in found.reason


def test_a_better_challenger_does_not_replace_it(
    run_on_models: Run, train_while: Callable[..., TrainingRun], folder: Path
) -> None:
    assert run_on_models("train", "neighbours").status == 0
    chosen = serving_version(folder)
    assert run_on_models("train", "popularity").status == 0
    found = train_while(*ROLLBACK, is_compared=True)
    assert serving_version(folder) == chosen
    assert found.outcome is TrainingOutcome.PUBLISHED
    assert "is significantly better than popularity" in found.reason
    assert "stays in use" in found.reason


def test_the_first_training_replaces_its_own_default(
    train_while: Callable[..., TrainingRun], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        run_module, "decide", lambda _champion, challenger, _: Decision(challenger, "It is.", is_new=True)
    )
    found = train_while(is_compared=True)
    assert (found.outcome, found.reason) == (TrainingOutcome.PUBLISHED, "It is.")
    assert serving_version(folder) == (found.model, found.version)
    assert len(list_versions(folder)) == 2
