"""A killed process's folder is removed by the next one, that of a running process stays."""

import fcntl
import sys
from pathlib import Path

import pytest

from config.temporary_folders import (
    FolderPurpose,
    make_temporary_folder,
    remove_abandoned_folders,
    temporary_folder,
)
from recommender.catalog.snapshots import SnapshotFolder

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def abandoned(temporary: Path, purpose: FolderPurpose) -> Path:
    """Make a folder as a killed process leaves it."""
    folder = temporary / f"{purpose}killed"
    (folder / "models").mkdir(parents=True)
    (folder / ".lock").touch()
    return folder


@pytest.mark.parametrize("purpose", FolderPurpose)
def test_any_next_process_removes_what_a_killed_one_left(temporary: Path, purpose: FolderPurpose) -> None:
    folder = abandoned(temporary, purpose)
    with temporary_folder(FolderPurpose.REPLAY) as other:
        assert list(temporary.iterdir()) == [other]
    assert not folder.exists()
    assert not other.exists()


def test_a_folder_in_use_stays(temporary: Path) -> None:
    with temporary_folder(FolderPurpose.REPLAY) as first:
        remove_abandoned_folders()
        with temporary_folder(FolderPurpose.REPLAY) as second:
            assert set(temporary.iterdir()) == {first, second}


def test_a_folder_is_removed_when_its_use_fails(temporary: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "file").touch()
        sys.exit(1)

    with pytest.raises(SystemExit), temporary_folder(FolderPurpose.REPLAY) as folder:
        fail(folder)
    assert list(temporary.iterdir()) == []


def test_a_folder_that_workers_made_again_is_removed_when_they_have_ended(temporary: Path) -> None:
    folder = temporary / f"{FolderPurpose.CATALOG}cleaned"
    worker = SnapshotFolder(folder / "databases")
    assert worker.try_to_lead()
    remove_abandoned_folders()
    assert folder.exists(), "it is in use"
    worker.close()
    remove_abandoned_folders()
    assert not folder.exists()


def test_other_folders_stay(temporary: Path) -> None:
    unlocked, other = temporary / "marquee-replay-unlocked", temporary / "marquee-other"
    for folder in (unlocked, other):
        folder.mkdir()
    (other / ".lock").touch()
    remove_abandoned_folders()
    assert unlocked.exists()
    assert other.exists()


def test_a_folder_that_is_being_made_is_not_removed_by_another_process(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def lock_while_another_starts(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        remove_abandoned_folders()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock_while_another_starts)
    folder = make_temporary_folder(FolderPurpose.CATALOG)
    assert list(temporary.iterdir()) == [folder.path]
    remove_abandoned_folders()
    assert folder.path.is_dir(), "this process holds the lock"
