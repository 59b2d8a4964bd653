"""What a link names is on the disk before the link is."""

import os
from pathlib import Path

import pytest

from recommender.model_store.currents import PromotionScope
from tests.support.training import publish_made_up


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | str]]:
    """Note which inodes are synced, and which names are given to files, in order."""
    noted: list[tuple[str, int | str]] = []
    fsync, replace, rename = os.fsync, Path.replace, Path.rename

    def note_sync(descriptor: int) -> None:
        fsync(descriptor)
        noted.append(("synced", os.fstat(descriptor).st_ino))

    def note_replacement(path: Path, target: Path) -> Path:
        noted.append(("named", target.name))
        return replace(path, target)

    def note_rename(path: Path, target: Path) -> Path:
        noted.append(("named", target.name))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replacement)
    monkeypatch.setattr(Path, "rename", note_rename)
    return noted


@pytest.mark.parametrize("promotion", [PromotionScope.ALL, PromotionScope.MODEL])
def test_a_version_is_written_before_it_gets_its_name_and_that_before_the_links(
    folder: Path, events: list[tuple[str, int | str]], promotion: PromotionScope
) -> None:
    ref = publish_made_up(folder, promotion=promotion)
    home = folder / ref.model
    version = home / ref.version
    named = events.index(("named", ref.version))
    linked = events.index(("named", "current"))

    files = [*version.iterdir(), version]
    assert len(files) > 5
    for path in files:
        assert ("synced", path.stat().st_ino) in events[:named], path.name
    of_home = ("synced", home.stat().st_ino)
    assert of_home in events[named:linked]
    assert of_home in events[linked:]
    if promotion is PromotionScope.ALL:
        assert named < events.index(("named", "promotions.json"))
        assert of_home in events[named : events.index(("named", "promotions.json"))]
        assert events[-1] == ("synced", folder.stat().st_ino)
