"""What goes wrong while the store is changed leaves it as it was, and stops no other process."""

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recommender.errors import ArtifactError
from recommender.model_store import locks, publishing, store
from recommender.model_store.artifact import Metadata, Provenance, current_version, verify
from recommender.model_store.currents import (
    PromotionScope,
    VersionRef,
    read_currents,
    refuse_without_links,
    serving_version,
)
from recommender.model_store.folders import replace_text
from recommender.model_store.locks import model_lock, store_lock
from recommender.model_store.promotions import read_promotions
from recommender.model_store.store import promote, prune, rollback
from recommender.model_store.versions import versions_of
from recommender.models.registry import MODELS
from recommender.system.clock import utc_now
from recommender.system.file_locks import is_held
from recommender.trainer.training_locks import TRAINER_LOCK, take_trainer_lock
from tests.support.datasets import dataset
from tests.support.training import change_metadata, publish_made_up
from tests.support.waiting import wait_until

POPULARITY, CONTENT = "popularity", "content"

Change = Callable[[], object]


@pytest.fixture
def while_verifying(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Return a function that has a change made once, while the next version is verified."""

    def arrange(change: Change) -> None:
        def changing(home: Path, metadata: Metadata) -> None:
            monkeypatch.setattr(store, "verify", verify)
            verify(home, metadata)
            change()

        monkeypatch.setattr(store, "verify", changing)

    return arrange


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_STORE_PATIENCE_S", 0.0)


@pytest.fixture
def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail as a share does that cannot hold symbolic links."""

    def refuse(path: Path, _target: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), str(path))

    monkeypatch.setattr(Path, "symlink_to", refuse)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_others_change_the_store_while_a_version_is_verified(
    folder: Path, while_verifying: Callable[[Change], None], command: str
) -> None:
    first = publish_made_up(folder, POPULARITY)
    publish_made_up(folder, CONTENT)

    def lock_it() -> None:
        with store_lock(folder):
            pass

    while_verifying(lock_it)
    if command == "promote":
        promote(folder, first)
    else:
        assert rollback(folder) == first
    assert serving_version(folder) == first


def test_a_rollback_does_not_undo_what_became_current_while_it_verified(
    folder: Path, while_verifying: Callable[[Change], None]
) -> None:
    publish_made_up(folder, POPULARITY)
    publish_made_up(folder, CONTENT)
    published: list[VersionRef] = []
    while_verifying(lambda: published.append(publish_made_up(folder, POPULARITY)))
    with pytest.raises(ArtifactError, match="another version became current"):
        rollback(folder)
    assert serving_version(folder) == published[0]


def test_a_version_that_changes_while_it_is_verified_is_not_promoted(
    folder: Path, while_verifying: Callable[[Change], None]
) -> None:
    first = publish_made_up(folder, POPULARITY)
    second = publish_made_up(folder, CONTENT)
    while_verifying(lambda: change_metadata(folder / first.model / first.version, checksums={}))
    with pytest.raises(ArtifactError, match="it was changed while it was checked"):
        promote(folder, first)
    assert serving_version(folder) == second


@pytest.mark.usefixtures("impatient")
def test_publishing_waits_longer_for_the_store_than_a_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset({"a": ["x"]})
    model = MODELS[CONTENT].make({})
    model.fit(data)
    attempts: list[None] = []
    with contextlib.ExitStack() as other:

        def free_at_last(folder: Path) -> contextlib.AbstractContextManager[None]:
            attempts.append(None)
            if len(attempts) == 3:
                other.close()
            return store_lock(folder)

        with publishing.publishing(folder, CONTENT) as publisher:
            other.enter_context(store_lock(folder))
            monkeypatch.setattr(publishing, "store_lock", free_at_last)
            publisher.publish(model, data, Provenance("test"))
    assert len(attempts) > 3
    assert serving_version(folder) == VersionRef(CONTENT, publisher.versions()[-1])


@pytest.fixture
def promoted(folder: Path) -> list[VersionRef]:
    """Publish three versions: the last one serves."""
    return [publish_made_up(folder, name) for name in (POPULARITY, CONTENT, POPULARITY)]


def refs_in_log(folder: Path) -> list[VersionRef]:
    return [each.ref for each in read_promotions(folder)]


@pytest.mark.parametrize("where", [CONTENT, "."])
def test_a_promotion_that_finds_no_link_is_not_logged(
    folder: Path, promoted: list[VersionRef], where: str
) -> None:
    current = folder / where / "current"
    current.unlink()
    current.mkdir()
    with pytest.raises(ArtifactError, match="is not a symbolic link"):
        promote(folder, promoted[1])
    assert refs_in_log(folder) == promoted


@pytest.mark.parametrize("failing_link", [1, 2])
def test_a_promotion_that_cannot_set_a_link_changes_nothing(
    folder: Path, promoted: list[VersionRef], failing_link: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_currents(folder)
    made: list[Path] = []
    symlink_to = Path.symlink_to

    def until_the_disk_is_full(path: Path, target: Path) -> None:
        made.append(path)
        if len(made) == failing_link:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        symlink_to(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", until_the_disk_is_full)
        with pytest.raises(OSError, match="No space left"):
            promote(folder, promoted[0])
    assert read_currents(folder) == before
    assert refs_in_log(folder) == promoted
    assert rollback(folder) == promoted[1]


def test_a_training_that_cannot_set_a_link_leaves_no_version(
    folder: Path, promoted: list[VersionRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_currents(folder)
    replace = Path.replace

    def failing(path: Path, target: Path) -> Path:
        if target == folder / CONTENT / "current":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="Input/output error"):
        publish_made_up(folder, CONTENT)
    assert versions_of(folder / CONTENT) == [promoted[1].version]
    assert read_currents(folder) == before


def test_a_version_that_a_link_names_stays_if_the_next_link_cannot_be_set(
    folder: Path, promoted: list[VersionRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def failing(path: Path, target: Path) -> Path:
        if target == folder / "current":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="Input/output error"):
        publish_made_up(folder, CONTENT)
    version = current_version(folder, CONTENT)
    assert versions_of(folder / CONTENT) == [promoted[1].version, version]


@pytest.mark.usefixtures("without_links")
def test_without_symbolic_links_nothing_is_trained(folder: Path) -> None:
    message = r"MODEL_PATH does not support symbolic links \(Operation not supported\)"
    with pytest.raises(OSError, match=message) as caught, publishing.publishing(folder, CONTENT):
        pytest.fail("it would learn for hours")
    assert caught.value.filename == str(folder)


@pytest.mark.usefixtures("without_links")
def test_without_symbolic_links_no_trainer_starts(folder: Path) -> None:
    with pytest.raises(OSError, match="does not support symbolic links"):
        take_trainer_lock(folder)
    assert not is_held(folder / TRAINER_LOCK)


def test_trying_a_link_leaves_none(folder: Path) -> None:
    left = folder / ".current.00000000T000000.000000Z"
    folder.mkdir()
    left.symlink_to("of-a-killed-process")
    refuse_without_links(folder)
    assert not list(folder.iterdir())


def test_a_version_that_was_set_back_by_hand_is_found_and_the_later_one_stays_in_the_log(
    folder: Path, promoted: list[VersionRef]
) -> None:
    (folder / "current").unlink()
    (folder / "current").symlink_to(Path(*promoted[1]))
    later = time.time() + 60
    os.utime(folder / "current", (later, later), follow_symlinks=False)
    promote(folder, promoted[0])
    assert refs_in_log(folder) == [*promoted, promoted[1], promoted[0]]


def test_a_rollback_does_not_go_to_a_version_whose_promotion_was_cut_off(
    folder: Path, promoted: list[VersionRef]
) -> None:
    never_served = publish_made_up(folder, CONTENT, promotion=PromotionScope.NONE)
    log = json.loads((folder / "promotions.json").read_text())
    at = utc_now().isoformat()
    log.append({**log[-1], "model": never_served.model, "version": never_served.version, "at": at})
    (folder / "promotions.json").write_text(json.dumps(log))
    assert serving_version(folder) == promoted[-1]
    assert rollback(folder) == promoted[-2]
    assert never_served not in refs_in_log(folder)


def test_a_training_that_begins_leaves_the_links_of_a_promotion_alone(
    folder: Path, promoted: list[VersionRef]
) -> None:
    link = folder / POPULARITY / f".current.{promoted[0].version}"

    def begin() -> None:
        # It waits, as `is_locked` takes the lock for an instant.
        with publishing.publishing(folder, POPULARITY, wait_s=30.0):
            pass

    with ThreadPoolExecutor() as threads:
        with store_lock(folder):
            link.symlink_to(promoted[0].version)
            begun = threads.submit(begin)
            # Once it holds the lock of its model, it goes on for as long as it need not wait.
            wait_until(lambda: is_locked(folder / POPULARITY))
            time.sleep(0.2)
            link.replace(folder / POPULARITY / "current")
        begun.result()


def is_locked(home: Path) -> bool:
    try:
        with model_lock(home):
            return False
    except ArtifactError:
        return True


def test_links_that_a_killed_promotion_left_are_removed(folder: Path, promoted: list[VersionRef]) -> None:
    left = [home / f".current.{promoted[0].version}" for home in (folder / POPULARITY, folder)]
    for link in left:
        link.symlink_to("nowhere")
    publish_made_up(folder, POPULARITY)
    assert not any(link.is_symlink() for link in left)


def test_a_version_with_the_draft_of_a_killed_promotion_is_pruned(
    folder: Path, promoted: list[VersionRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_made_up(folder, POPULARITY)
    home = folder / POPULARITY / promoted[0].version

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: None)
        replace_text(home / "metadata.json", "{}")
    assert any(path.name.startswith(".metadata.json.") for path in home.iterdir())
    assert prune(folder, keep=1) == [promoted[0]]
    assert not home.exists()


def test_a_version_with_a_file_of_others_is_removed_and_reported_once(
    folder: Path, promoted: list[VersionRef]
) -> None:
    publish_made_up(folder, POPULARITY)
    home = folder / POPULARITY / promoted[0].version
    others = [home / "notes.txt", home / ".metadata.json.of-others"]
    for path in others:
        path.write_text("kept")
    assert prune(folder, keep=1) == [promoted[0]]
    assert sorted(home.iterdir()) == sorted(others)
    assert prune(folder, keep=1) == []
