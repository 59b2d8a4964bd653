"""A challenger is compared in size with what it replaces; the champion stays if it cannot be published."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from recommender.entities import DatabaseName
from recommender.evaluation.results import Evaluation
from recommender.evaluation.search_space import in_blend
from recommender.evaluation.variants import Fit, RankingVariant
from recommender.model_store.currents import serving_version
from recommender.model_store.locks import model_lock
from recommender.model_store.runs import TrainingOutcome, TrainingRun, read_runs
from recommender.trainer import comparison
from recommender.trainer import run as run_module
from recommender.trainer.champion import Decision
from recommender.trainer.records import metrics_of
from tests.support.commands import Run
from tests.support.postgres import Urls

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_models")]

CHAMPION, CHALLENGER = "popularity", "item_knn"
_HELD_S = 0.5


@pytest.fixture
def decided(run_on_models: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], TrainingRun]:
    """Return a function that trains, and decides for the challenger."""

    def decide(champion: RankingVariant, *_: Any) -> Decision:
        return Decision(in_blend(Fit(CHALLENGER), champion.blend), "It won.", is_new=True)

    monkeypatch.setattr(run_module, "decide", decide)
    # What the search finds makes no difference.
    monkeypatch.setattr(comparison, "SEARCH_USERS", comparison.LEAST_TEST_USERS + 10)

    def train() -> TrainingRun:
        assert run_on_models("trainer", "--once").status == 0
        return next(read_runs(folder, 1))

    return train


def test_a_loss_that_was_accepted_for_the_champion_is_no_reason_against_the_challenger(
    run_on_models: Run, decided: Callable[[], TrainingRun], databases: Urls, folder: Path
) -> None:
    for model in (CHAMPION, CHALLENGER):
        assert run_on_models("train", model).status == 0
    with psycopg.connect(databases[DatabaseName.ENGAGEMENT]) as connection:
        connection.execute("DELETE FROM interaction WHERE id % 20 >= 8")
    assert run_on_models("train", CHAMPION).status == 1
    assert run_on_models("train", CHAMPION, "--accept-shrinkage").status == 0
    found = decided()
    assert (found.outcome, found.reason) == (TrainingOutcome.PUBLISHED, "It won.")
    assert serving_version(folder) == (CHALLENGER, found.version)


def test_a_challenger_that_cannot_be_published_leaves_the_champion_trained_again(
    run_on_models: Run, decided: Callable[[], TrainingRun], folder: Path
) -> None:
    assert run_on_models("train", CHAMPION).status == 0
    (folder / CHALLENGER / "current").mkdir(parents=True)
    found = decided()
    assert (found.outcome, found.chosen) == (TrainingOutcome.REFITTED, found.champion)
    assert found.reason.startswith("It won. It could not be published: MODEL_PATH/item_knn/current is not a")
    assert serving_version(folder) == (CHAMPION, found.version)


def test_a_training_waits_for_who_holds_the_model(
    run_on_models: Run, decided: Callable[[], TrainingRun], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_on_models("train", CHAMPION).status == 0
    with ExitStack() as held:
        held.enter_context(model_lock(folder / CHALLENGER))

        def release_soon(evaluation: Evaluation, variant: RankingVariant) -> Any:
            # The last step before the publication.
            threading.Timer(_HELD_S, held.close).start()
            return metrics_of(evaluation, variant)

        monkeypatch.setattr(run_module, "metrics_of", release_soon)
        assert decided().outcome is TrainingOutcome.PUBLISHED
