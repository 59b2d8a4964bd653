"""The store numbers versions upwards across models, promotes, rolls back, and keeps versions in use."""

import json
import os
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from recommender.errors import ArtifactError
from recommender.model_store import versions
from recommender.model_store.artifact import current_version, is_there, read_metadata
from recommender.model_store.currents import PromotionScope, VersionRef, linked_version, serving_version
from recommender.model_store.locks import store_lock
from recommender.model_store.promotions import PromotionReason, read_promotions
from recommender.model_store.publishing import publishing
from recommender.model_store.store import (
    UnknownVersionError,
    find_version,
    list_versions,
    promote,
    prune,
    rollback,
)
from recommender.model_store.versions import reserve_version, versions_of
from recommender.models.registry import MODELS
from tests.support.training import publish_made_up

POPULARITY, CONTENT = "popularity", "content"


def publish(folder: Path, name: str = POPULARITY, users: int = 100, *, items: int = 20) -> VersionRef:
    return publish_made_up(folder, name, users=users, items=items)


def left(folder: Path) -> list[VersionRef]:
    return sorted((each.ref for each in list_versions(folder)), key=lambda ref: ref.version)


def test_a_published_version_is_current_of_its_model_and_of_all(folder: Path) -> None:
    first = publish(folder)
    second = publish(folder, CONTENT)
    assert linked_version(folder) == second
    assert current_version(folder, POPULARITY) == first.version
    assert (folder / "current").readlink() == Path(*second)
    by_ref = {each.ref: each for each in list_versions(folder)}
    assert by_ref[second].is_current
    assert by_ref[second].is_current_of_model
    assert not by_ref[first].is_current
    assert by_ref[first].is_current_of_model
    assert by_ref[first].was_current


def test_an_unpromoted_version_is_not_current(folder: Path) -> None:
    first = publish(folder)
    other = publish_made_up(folder, POPULARITY, promotion=PromotionScope.NONE)
    only = publish_made_up(folder, CONTENT, promotion=PromotionScope.NONE)
    assert serving_version(folder) == first
    assert current_version(folder, POPULARITY) == first.version
    assert current_version(folder, CONTENT) is None
    assert left(folder) == [first, other, only]
    promote(folder, only)
    assert linked_version(folder) == only


@pytest.mark.parametrize("hour", [3, 0])
def test_names_increase_across_models_with_any_clock(
    folder: Path, monkeypatch: pytest.MonkeyPatch, hour: int
) -> None:
    monkeypatch.setattr(versions, "utc_now", lambda: datetime(2026, 1, 1, 3, tzinfo=UTC))
    found = [publish(folder, name).version for name in (POPULARITY, CONTENT, POPULARITY)]
    monkeypatch.setattr(versions, "utc_now", lambda: datetime(2026, 1, 1, hour, tzinfo=UTC))
    found += [publish(folder, name).version for name in (CONTENT, POPULARITY)]
    assert found == sorted(set(found))


def test_the_name_of_a_removed_version_is_not_reused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "utc_now", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    first = publish(folder)
    shutil.rmtree(folder / POPULARITY)
    (folder / "current").unlink()
    assert publish(folder, CONTENT).version > first.version


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"tomorrow"])
def test_a_lost_or_damaged_highest_name_breaks_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(versions, "utc_now", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    first = publish(folder)
    highest = folder / ".highest"
    assert highest.read_text().strip() == first.version
    highest.unlink()
    if content is not None:
        highest.write_bytes(content)
    assert publish(folder, CONTENT).version > first.version


def test_concurrent_publications_get_different_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "utc_now", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    names: list[str] = []

    def reserve() -> None:
        for _ in range(20):
            with store_lock(folder):
                names.append(reserve_version(folder))

    threads = [threading.Thread(target=reserve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 80


def test_two_rollbacks_go_back_two_versions_and_promoting_goes_forward(folder: Path) -> None:
    first, second, third = publish(folder), publish(folder, CONTENT), publish(folder)
    assert rollback(folder) == second
    assert linked_version(folder) == second
    assert rollback(folder) == first
    assert linked_version(folder) == first
    assert current_version(folder, POPULARITY) == first.version
    with pytest.raises(ArtifactError, match="no earlier version can be made current"):
        rollback(folder)
    promote(folder, third)
    assert rollback(folder) == first
    assert [each.how for each in read_promotions(folder)][-2:] == [
        PromotionReason.PROMOTED,
        PromotionReason.ROLLED_BACK,
    ]


def test_a_rollback_skips_missing_and_damaged_versions(folder: Path) -> None:
    first, second, third, _ = [publish(folder, name) for name in (POPULARITY, CONTENT) * 2]
    shutil.rmtree(folder / third.model / third.version)
    (folder / second.model / second.version / "metadata.json").write_text("{")
    assert rollback(folder) == first


@pytest.mark.parametrize("content", [None, b"", b"[{}]"])
def test_without_a_log_promotions_and_rollbacks_work(folder: Path, content: bytes | None) -> None:
    first = publish(folder)
    log = folder / "promotions.json"
    log.unlink()
    if content is not None:
        log.write_bytes(content)
    publish(folder, CONTENT)
    assert rollback(folder) == first


def test_in_a_store_of_an_earlier_release_the_latest_version_is_current(folder: Path) -> None:
    first, second = publish(folder), publish(folder, CONTENT)
    (folder / "current").unlink()
    (folder / "promotions.json").unlink()
    assert serving_version(folder) == second
    promote(folder, first)
    assert rollback(folder) == second


def test_going_back_to_a_smaller_version_is_accepted_by_servers(folder: Path) -> None:
    small = publish(folder, users=40)
    publish(folder, users=100)
    assert rollback(folder) == small
    assert read_metadata(folder, *small).shrinkage_accepted


def test_a_smaller_version_is_promoted_on_request_only(folder: Path) -> None:
    small, large = publish(folder, users=40), publish(folder, users=100)
    with pytest.raises(ArtifactError, match=r"60\.0% fewer users than the current version"):
        promote(folder, small)
    assert linked_version(folder) == large
    promote(folder, small, shrinkage_accepted=True)
    assert linked_version(folder) == small
    assert read_metadata(folder, *small).shrinkage_accepted


def test_a_file_whose_name_is_not_utf8_is_named_in_a_message_that_can_be_sent(folder: Path) -> None:
    version = publish(folder)
    (folder / version.model / version.version / os.fsdecode(b"caf\xe9.npy")).touch()
    with pytest.raises(ArtifactError) as caught:
        promote(folder, version)
    assert str(caught.value).endswith(r": caf\udce9.npy: it has no checksum in metadata.json")
    assert orjson.loads(orjson.dumps(str(caught.value))) == str(caught.value)


def test_a_damaged_version_is_not_promoted(folder: Path) -> None:
    first, second = publish(folder), publish(folder, CONTENT)
    home = folder / first.model / first.version
    array = next(home.glob("*.npy"))
    array.write_bytes(array.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match="the checksum is wrong"):
        promote(folder, first)
    assert linked_version(folder) == second
    (damaged,) = [each for each in list_versions(folder) if each.ref == first]
    assert damaged.fault is None
    (home / "metadata.json").unlink()
    (damaged,) = [each for each in list_versions(folder) if each.ref == first]
    assert damaged.fault == "metadata.json cannot be read: No such file or directory"


def test_an_unknown_version_is_reported(folder: Path) -> None:
    known = publish(folder)
    assert find_version(folder, known.version) == known
    assert find_version(folder, f"{known.model}/{known.version}") == known
    for name in ("20200101T000000.000000Z", f"{CONTENT}/{known.version}", "current", "../..", ""):
        with pytest.raises(UnknownVersionError, match="there is no such version"):
            find_version(folder, name)


def test_pruning_keeps_current_former_and_latest_versions(folder: Path) -> None:
    found = [publish_made_up(folder, POPULARITY, kept_versions=9) for _ in range(6)]
    publish_made_up(folder, CONTENT)
    promote(folder, found[1])
    promote(folder, found[0])
    removed = prune(folder, keep=1)
    assert removed == found[2:5]
    # Current; current before; the latest; the only one of its model.
    assert left(folder)[:3] == [found[0], found[1], found[5]]
    assert {each.model for each in left(folder)} == {POPULARITY, CONTENT}
    assert prune(folder, keep=0) == [found[5]]


def test_pruning_keeps_the_version_that_a_rollback_left(folder: Path) -> None:
    found = [publish_made_up(folder, POPULARITY, kept_versions=9) for _ in range(4)]
    promote(folder, found[0])
    assert rollback(folder) == found[3]
    assert prune(folder, keep=0) == [found[1]]
    assert left(folder) == [found[0], found[2], found[3]]


def test_versions_that_cannot_be_removed_are_not_reported_as_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [publish_made_up(folder, POPULARITY, kept_versions=9) for _ in range(4)]
    unlink = Path.unlink

    def failing(path: Path, *, missing_ok: bool = False) -> None:
        if path.parent.name == found[0].version:
            raise PermissionError(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", failing)
    assert prune(folder, keep=2) == [found[1]]
    assert found[0] in left(folder)


def test_publishing_keeps_a_fixed_number_of_versions_per_model(folder: Path) -> None:
    found = [publish_made_up(folder, POPULARITY, kept_versions=2) for _ in range(4)]
    assert left(folder) == found[2:]


def test_a_model_that_is_being_trained_is_not_pruned(folder: Path) -> None:
    found = [publish_made_up(folder, POPULARITY, kept_versions=9) for _ in range(4)]
    with publishing(folder, POPULARITY):
        assert prune(folder, keep=0) == []
    assert prune(folder, keep=0) == found[:2]


def test_leftovers_of_killed_runs_are_removed(folder: Path) -> None:
    publish(folder)
    partial = folder / POPULARITY / ".20260101T000000.000000Z.partial"
    partial.mkdir()
    (partial / "x.npy").write_bytes(b"half")
    link = folder / ".current.20260101T000000.000000Z"
    link.symlink_to("popularity/20260101T000000.000000Z")
    publish(folder)
    assert not partial.exists()
    assert not link.is_symlink()


def test_a_current_that_is_no_link_is_not_replaced(folder: Path) -> None:
    first = publish(folder)
    (folder / "current").unlink()
    (folder / "current").mkdir()
    with pytest.raises(ArtifactError, match="is not a symbolic link"):
        publish(folder)
    with pytest.raises(ArtifactError, match="is not a symbolic link"):
        promote(folder, first)
    assert versions_of(folder / POPULARITY) == [first.version]


def test_no_model_has_a_name_that_the_store_uses() -> None:
    assert not {"current", "promotions.json", "runs", "auto", "live"} & set(MODELS)


@pytest.mark.parametrize("field", ["counts", "hyperparameters"])
def test_a_number_that_no_answer_can_hold_is_a_fault(folder: Path, field: str) -> None:
    ref = publish(folder)
    path = folder / ref.model / ref.version / "metadata.json"
    content = json.loads(path.read_text())
    content[field] |= {"users": 1 << 64}
    path.write_text(json.dumps(content))
    assert list_versions(folder)[0].fault == "metadata.json has a number of more than 64 bits"


def test_models_whose_folder_cannot_be_read_can_be_left_out(folder: Path) -> None:
    ref, other = publish(folder), publish(folder, CONTENT)
    shutil.rmtree(folder / ref.model)
    # Under root, permissions do not prevent reading, but this does.
    (folder / ref.model).symlink_to(ref.model)
    assert [each.ref for each in list_versions(folder, unreadable_left_out=True)] == [other]
    with pytest.raises(OSError, match="symbolic links"):
        list_versions(folder)


def test_an_unreachable_version_counts_as_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = publish(folder)

    def refuse(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert not is_there(folder, *ref)
