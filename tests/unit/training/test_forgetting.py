"""`forget` of an older release reaches the versions of a newer one, and says what it cannot remake."""

from pathlib import Path

import pytest

from recommender.model_store.artifact import current_version, read_metadata
from recommender.model_store.currents import serving_version
from recommender.training.forgetting import RemovalResult, VersionOutcome, note_forgotten, remake_models
from tests.support.datasets import dataset
from tests.support.releases import POPULARITY, UNKNOWN, publish_newer_format, publish_unknown_model
from tests.support.training import change_metadata, publish_made_up

CONTENT = "content"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def forget(folder: Path) -> dict[str, RemovalResult]:
    note_forgotten(folder, ["0001"])
    data = dataset({f"{user:04}": [f"{(user + n) % 20:04}" for n in range(5)] for user in range(100)})
    return {each.model: each for each in remake_models(folder, lambda: data)}


def test_a_model_that_only_a_newer_release_knows_is_removed_and_the_others_are_remade(folder: Path) -> None:
    publish_made_up(folder, CONTENT)
    newer = publish_unknown_model(folder)
    later = publish_made_up(folder, POPULARITY)
    (folder / "current").unlink()
    (folder / "current").symlink_to(f"{newer.model}/{newer.version}")
    found = forget(folder)
    assert found[UNKNOWN].outcome is VersionOutcome.REMOVED
    assert found[UNKNOWN].reason == "this release does not know the model: a newer release made it"
    assert found[CONTENT].outcome is found[POPULARITY].outcome is VersionOutcome.FITTED
    assert not (folder / newer.model / newer.version).exists()
    assert current_version(folder, POPULARITY) != later.version
    assert serving_version(folder) == (POPULARITY, current_version(folder, POPULARITY))
    assert forget(folder) == {}, "nothing is left to do"


def test_a_version_in_a_newer_format_is_removed_with_that_reason(folder: Path) -> None:
    publish_newer_format(folder)
    found = forget(folder)
    assert found[POPULARITY].outcome is VersionOutcome.REMOVED
    assert found[POPULARITY].reason == "its current version was made by a newer release"
    assert serving_version(folder) is None


def test_a_version_in_a_newer_format_that_was_made_without_the_users_stays(folder: Path) -> None:
    publish_made_up(folder, CONTENT)
    older = publish_made_up(folder, POPULARITY)
    newer = publish_newer_format(folder)
    state = note_forgotten(folder, ["0001"]).state
    change_metadata(folder / newer.model / newer.version, forgotten=state)
    found = forget(folder)
    assert (found[POPULARITY].outcome, found[POPULARITY].version) == (VersionOutcome.KEPT, newer.version)
    assert not (folder / POPULARITY / older.version).exists()
    assert serving_version(folder) == newer
    assert read_metadata(folder, CONTENT, str(current_version(folder, CONTENT))).forgotten == state
