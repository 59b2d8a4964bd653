"""Users who are forgotten while a model is trained are in no version of it."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from recommender.data.forgotten import read_forgotten
from recommender.entities import DatabaseName
from recommender.model_store.artifact import current_version, read_metadata
from recommender.model_store.versions import versions_of
from recommender.models.user_knn.trained import UserKnn
from recommender.training.forgetting import note_forgotten, stale_models
from tests.support.commands import Run
from tests.support.postgres import Urls
from tests.support.training import NAME

pytestmark = pytest.mark.slow


@pytest.fixture
def users(databases: Urls) -> list[str]:
    with psycopg.connect(databases[DatabaseName.ENGAGEMENT]) as connection:
        rows = connection.execute("SELECT DISTINCT user_id::text FROM interaction ORDER BY 1")
        return [user for (user,) in rows]


def forget_during_the_next_fit(folder: Path, user: str, patch: pytest.MonkeyPatch) -> None:
    """Forget a user as soon as a model has learned from its data, once."""
    fit = UserKnn.fit

    def fit_and_forget(self: UserKnn, *arguments: Any) -> None:
        fit(self, *arguments)
        patch.setattr(UserKnn, "fit", fit)
        note_forgotten(folder, [user])

    patch.setattr(UserKnn, "fit", fit_and_forget)


def test_a_model_that_is_trained_for_the_first_time_is_not_published(
    run_on_models: Run, folder: Path, users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_during_the_next_fit(folder, users[0], monkeypatch)
    result = run_on_models("train", NAME)
    assert result.status == 1
    assert "users were forgotten while it was trained. Nothing is published." in result.err
    assert [path.name for path in (folder / NAME).iterdir()] == [".lock"]
    assert run_on_models("train", NAME).status == 0
    assert stale_models(folder, read_forgotten(folder)) == []


def test_forget_trains_again_without_users_who_are_forgotten_meanwhile(
    run_on_models: Run, folder: Path, users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_on_models("train", NAME).status == 0
    counted = read_metadata(folder, NAME, str(current_version(folder, NAME))).counts["users"]
    forget_during_the_next_fit(folder, users[1], monkeypatch)
    assert run_on_models("forget", users[0]).status == 0
    (version,) = versions_of(folder / NAME)
    metadata = read_metadata(folder, NAME, version)
    assert metadata.forgotten == read_forgotten(folder).state
    assert metadata.counts["users"] == counted - 2
