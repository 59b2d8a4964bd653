"""`forget` of an older release reaches the versions of a newer one, and says what it cannot remake."""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from recommender.data.forgotten import Forgotten, read_forgotten
from recommender.model_store.artifact import current_version, read_metadata
from recommender.model_store.currents import serving_version
from recommender.training import forgetting
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


def test_a_model_of_a_newer_release_is_removed_from_the_disk_that_its_folder_is_linked_to(
    folder: Path,
) -> None:
    newer = publish_unknown_model(folder)
    disk = folder.parent / "disk"
    (folder / newer.model).rename(disk)
    (folder / newer.model).symlink_to(disk)
    assert forget(folder)[UNKNOWN].outcome is VersionOutcome.REMOVED
    assert not (disk / newer.version).exists()
    assert forget(folder) == {}, "nothing is left to do"


def test_a_folder_of_the_file_system_that_only_root_may_list_is_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_made_up(folder, CONTENT)
    (folder / "lost+found").mkdir()
    iterdir = Path.iterdir

    def of_others(path: Path) -> Iterator[Path]:
        if path.name == "lost+found":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", of_others)
    assert forget(folder).keys() == {CONTENT}


def test_a_link_to_the_folder_of_another_model_is_not_a_model(folder: Path) -> None:
    publish_made_up(folder, CONTENT)
    disk = folder.parent / "disk"
    (folder / CONTENT).rename(disk)
    (folder / CONTENT).symlink_to(disk)
    (folder / "also").symlink_to(CONTENT)
    assert forget(folder).keys() == {CONTENT}


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


@pytest.mark.parametrize("former", [(), ("former",)], ids=["a new list", "an existing list"])
def test_while_many_users_are_added_another_process_can_add_some(
    folder: Path, monkeypatch: pytest.MonkeyPatch, former: Sequence[str]
) -> None:
    monkeypatch.setattr(forgetting, "_LIST_PATIENCE_S", 0.1)
    note_forgotten(folder, former)
    with_users = Forgotten.with_users

    def take_long(known: Forgotten, user_ids: Iterable[str]) -> Forgotten:
        monkeypatch.setattr(Forgotten, "with_users", with_users)
        note_forgotten(folder, ["single"])
        return known.with_users(user_ids)

    monkeypatch.setattr(Forgotten, "with_users", take_long)
    noted = note_forgotten(folder, ["many", "more"])
    assert noted == read_forgotten(folder)
    assert all(user in noted for user in ("many", "more", "single", *former))


def refuse_to_remove(files_of: Path, patch: pytest.MonkeyPatch) -> None:
    """Fail as for files of another user."""
    unlink = Path.unlink

    def unlink_own(path: Path, *, missing_ok: bool = False) -> None:
        if path.parent == files_of:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        unlink(path, missing_ok=missing_ok)

    patch.setattr(Path, "unlink", unlink_own)


def test_a_version_that_cannot_be_removed_is_an_error_after_all_models_are_remade(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish_made_up(folder, CONTENT).version
    publish_made_up(folder, POPULARITY)
    refuse_to_remove(folder / CONTENT / version, monkeypatch)
    with pytest.raises(PermissionError, match=version):
        forget(folder)
    assert all_are_made_without_the_user(folder)
    assert (folder / CONTENT / version).exists()


def all_are_made_without_the_user(folder: Path) -> bool:
    versions = {name: str(current_version(folder, name)) for name in (CONTENT, POPULARITY)}
    states = {read_metadata(folder, name, version).forgotten for name, version in versions.items()}
    return states == {read_forgotten(folder).state}


@pytest.fixture
def remains(folder: Path) -> Path:
    """A model, and what a killed training of it left."""
    publish_made_up(folder, CONTENT)
    remains = folder / CONTENT / ".20261101T000000.000000Z.partial"
    remains.mkdir()
    (remains / "user_ids.npy").touch()
    return remains


def test_remains_of_a_killed_training_are_removed(folder: Path, remains: Path) -> None:
    assert forget(folder)[CONTENT].outcome is VersionOutcome.FITTED
    assert not remains.exists()


def test_remains_that_cannot_be_removed_are_an_error_that_names_them(
    folder: Path, remains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_made_up(folder, POPULARITY)
    with monkeypatch.context() as patch:
        refuse_to_remove(remains, patch)
        with pytest.raises(PermissionError, match=remains.name):
            forget(folder)
        assert all_are_made_without_the_user(folder)
        with pytest.raises(PermissionError, match=remains.name):
            forget(folder)
    assert forget(folder)[CONTENT].outcome is VersionOutcome.KEPT
    assert not remains.exists()
