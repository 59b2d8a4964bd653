"""A catalog that one worker has read reaches the other workers complete, or not at all."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recommender.catalog import attribute_arrays
from recommender.catalog.attribute_arrays import LargeSetArray
from recommender.catalog.gate import HeldBack, HoldReason
from recommender.catalog.index import CatalogIndex, build_index
from recommender.catalog.popularity import Popularity
from recommender.catalog.snapshots import Announcement, SnapshotError, SnapshotFolder
from recommender.catalog.status import LoadProblems
from recommender.domains.attributes import Attribute, AttributeKind
from recommender.domains.media import MEDIA
from recommender.entities import CatalogEntry, DatabaseName
from recommender.ranking.genre_matching import GenreRates

ENTRIES = [
    CatalogEntry((["Drama", "ÄÖ"], "MOVIE", 1999), "a", b"a" * 16),
    CatalogEntry((None, None, None), "b", b"b" * 16),
]
POPULARITY = Popularity.of({"b": 3, "gone": 2}, active_users=4, window_start="2026-01-01T00:00:00")
INDEX = build_index(ENTRIES, POPULARITY)
VERSION = INDEX.version


@pytest.fixture
def leader(tmp_path: Path) -> SnapshotFolder:
    folder = SnapshotFolder(tmp_path / "shared")
    assert folder.try_to_lead()
    return folder


@pytest.fixture
def follower(tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path / "shared")


def read(folder: SnapshotFolder, announcement: Announcement) -> CatalogIndex:
    assert announcement.version is not None
    return folder.read(announcement.version, announcement.checksum)


def assert_same(index: CatalogIndex, other: CatalogIndex) -> None:
    """Assert that two indexes are equal in everything that requests read."""
    assert (index.version, index.item_ids) == (other.version, other.item_ids)
    ids = ["a", "b", "gone", "unheard of"]
    assert index.locate(ids).tolist() == other.locate(ids).tolist()
    keys = b"a" * 16 + b"b" * 16 + b"c" * 16
    assert index.item_keys.locate(keys).tolist() == other.item_keys.locate(keys).tolist()
    assert index.user_counts.tolist() == other.user_counts.tolist()
    mine, others = index.popularity, other.popularity
    assert (mine.active_users, mine.window_start, mine.known) == (
        others.active_users,
        others.window_start,
        others.known,
    )
    assert mine.users_of(ids).tolist() == others.users_of(ids).tolist()
    assert mine.repeats_of(ids).tolist() == others.repeats_of(ids).tolist()
    for name in GenreRates.__slots__:
        assert getattr(index.genre_rates, name).tolist() == getattr(other.genre_rates, name).tolist()
    assert index.attributes.keys() == other.attributes.keys()
    for name, attribute in index.attributes.items():
        same = other.attributes[name]
        assert type(attribute) is type(same)
        np.testing.assert_array_equal(attribute.array, same.array)
        assert getattr(attribute, "numbers", None) == getattr(same, "numbers", None)


def announced(leader: SnapshotFolder) -> Announcement:
    checksum = leader.write(INDEX)
    problems = LoadProblems(HeldBack(0, 12.5, HoldReason.EMPTY), (DatabaseName.ENGAGEMENT,), "wrong")
    announcement = Announcement(VERSION, checksum, 1.0, 0.5, 2.0, complete=True, problems=problems)
    leader.announce(announcement)
    return announcement


def test_a_snapshot_is_read_as_written(leader: SnapshotFolder, follower: SnapshotFolder) -> None:
    assert follower.new_announcement() is None
    announcement = announced(leader)
    assert follower.new_announcement() == announcement
    assert follower.new_announcement() is None, "it is told once"
    assert_same(read(follower, announcement), INDEX)


def test_an_empty_catalog_can_be_written_too(leader: SnapshotFolder) -> None:
    empty = build_index([], POPULARITY)
    assert_same(leader.read(empty.version, leader.write(empty)), empty)


def test_a_snapshot_that_was_removed_can_still_be_used(leader: SnapshotFolder, tmp_path: Path) -> None:
    index = read(leader, announced(leader))
    shutil.rmtree(tmp_path / "shared")
    assert_same(index, INDEX)


def test_attributes_of_every_kind_can_be_written(
    leader: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribute_arrays, "_MOST_BITS", 1)
    tags = Attribute("tags", AttributeKind.SET)
    entries = [entry._replace(values=(*entry.values, ["Ö", "b"])) for entry in ENTRIES]
    index = build_index(entries, POPULARITY, MEDIA.extended([tags]))
    assert isinstance(index.attributes["tags"], LargeSetArray)
    assert_same(leader.read(index.version, leader.write(index)), index)


def test_one_process_leads_until_it_closes(leader: SnapshotFolder, follower: SnapshotFolder) -> None:
    assert not follower.try_to_lead()
    leader.close()
    assert follower.try_to_lead()
    follower.close()


def test_a_folder_that_was_removed_is_made_again_for_its_owner_alone(
    leader: SnapshotFolder, follower: SnapshotFolder, tmp_path: Path
) -> None:
    announced(leader)
    shutil.rmtree(tmp_path / "shared")
    assert leader.try_to_lead()
    assert not leader.is_announced()
    assert not follower.try_to_lead()
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o700
    assert follower.new_announcement() is None
    announcement = announced(leader)
    assert follower.new_announcement() == announcement


def test_after_the_folder_was_removed_only_the_new_leader_leads(
    leader: SnapshotFolder, follower: SnapshotFolder, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "shared")
    assert follower.try_to_lead()
    assert not leader.try_to_lead()
    follower.close()
    assert leader.try_to_lead()


def test_a_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shared").mkdir()
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with pytest.raises(PermissionError, match="another user"):
        SnapshotFolder(tmp_path / "shared").try_to_lead()


def test_an_incomplete_file_on_a_full_disk_is_removed(
    leader: SnapshotFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="full"):
        leader.write(INDEX)
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["lock"]


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x00" * 300])
def test_a_damaged_snapshot_is_refused_and_removed(
    leader: SnapshotFolder, follower: SnapshotFolder, tmp_path: Path, damage: bytes
) -> None:
    announcement = announced(leader)
    (snapshot,) = (tmp_path / "shared").glob(f"{VERSION}-*.entries")
    snapshot.write_bytes(damage)
    for words in ("is damaged", "does not exist any more"):
        with pytest.raises(SnapshotError, match=words):
            read(follower, announcement)
    assert not leader.has(VERSION, announcement.checksum)


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "x": 1}'])
def test_a_damaged_announcement_is_refused(
    leader: SnapshotFolder, follower: SnapshotFolder, tmp_path: Path, damage: bytes
) -> None:
    announced(leader)
    (tmp_path / "shared" / "announcement.json").write_bytes(damage)
    with pytest.raises(SnapshotError):
        follower.new_announcement()


def test_a_load_is_asked_for_once(leader: SnapshotFolder, follower: SnapshotFolder) -> None:
    follower.ask_for_load()
    assert leader.take_asked()
    assert not leader.take_asked()


def test_old_snapshots_are_removed_and_other_files_are_not(leader: SnapshotFolder, tmp_path: Path) -> None:
    (tmp_path / "shared" / "notes.txt").write_text("of another")
    checksums = [leader.write(replace(INDEX, version=version)) for version in ("one", "two", "three")]
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == [
        "lock",
        "notes.txt",
        f"three-{checksums[2][:16]}.entries",
        f"two-{checksums[1][:16]}.entries",
    ]


def test_an_announced_snapshot_stays_while_another_of_its_version_is_written(
    leader: SnapshotFolder, follower: SnapshotFolder
) -> None:
    announcement = announced(leader)
    leader.write(build_index(ENTRIES, replace(POPULARITY, rows=1_000)))
    assert_same(read(follower, announcement), INDEX)
