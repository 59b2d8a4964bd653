"""Releases that share a store leave each other's versions alone, unless a command says otherwise."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender.errors import NewerReleaseError
from recommender.model_store.artifact import Provenance, current_version, read_metadata
from recommender.model_store.currents import (
    PromotionScope,
    VersionRef,
    latest_published,
    linked_version,
    read_currents,
    refuse_newer,
    serving_version,
)
from recommender.model_store.promotions import PromotionReason, read_promotions
from recommender.model_store.publishing import publishing
from recommender.model_store.store import list_versions, promote, prune, rollback
from recommender.models.names import AUTO
from recommender.models.registry import MODELS
from tests.support.datasets import dataset
from tests.support.releases import POPULARITY, UNKNOWN, publish_newer_format, publish_unknown_model
from tests.support.training import change_metadata, publish_made_up

CONTENT = "content"
PUBLISH = {"unknown model": publish_unknown_model, "newer format": publish_newer_format}


@pytest.fixture
def known(folder: Path) -> VersionRef:
    return publish_made_up(folder, CONTENT)


@pytest.fixture(params=PUBLISH)
def newer(request: pytest.FixtureRequest, folder: Path) -> VersionRef:
    """A version of a newer release, which serves in place of a known one."""
    publish_made_up(folder, CONTENT)
    return PUBLISH[request.param](folder)


def test_what_a_newer_release_made_is_named_as_that(folder: Path, newer: VersionRef) -> None:
    assert serving_version(folder) == newer
    with pytest.raises(NewerReleaseError, match=f"{newer} was made by a newer release, and stays"):
        refuse_newer(folder, AUTO)
    read = linked_version if newer.model == UNKNOWN else lambda folder: read_metadata(folder, *newer)
    with pytest.raises(NewerReleaseError, match="made by a newer release"):
        read(folder)


def test_a_metadata_file_whose_newer_format_is_not_understood_is_named_as_that(folder: Path) -> None:
    ref = publish_newer_format(folder, counts=["a", "list"], checksums=None)
    with pytest.raises(NewerReleaseError, match="made by a newer release"):
        read_metadata(folder, *ref)


def test_a_version_of_a_newer_release_that_is_gone_may_be_replaced(folder: Path) -> None:
    gone = publish_unknown_model(folder)
    (folder / gone.model).rename(folder / "elsewhere")
    refuse_newer(folder, AUTO)


def test_a_known_model_that_serves_alone_may_be_trained(folder: Path, known: VersionRef) -> None:
    publish_unknown_model(folder)
    refuse_newer(folder, known.model)
    latest = latest_published(folder, AUTO)
    assert latest is not None
    assert (latest.model, latest.version) == known


def test_a_trainer_does_not_replace_what_a_newer_release_promoted(folder: Path) -> None:
    newer = publish_unknown_model(folder)
    data = dataset({"a": ["x"]})
    model = MODELS[CONTENT].make({})
    model.fit(data)
    with publishing(folder, CONTENT) as publisher:
        published = publisher.publish(model, data, Provenance("test"), since=read_currents(folder))
    assert serving_version(folder) == newer
    assert current_version(folder, CONTENT) == published.version
    assert not published.provenance.for_all


@pytest.mark.parametrize("command", ["promote", "publish"])
def test_what_a_command_replaces_is_found_in_the_log(folder: Path, newer: VersionRef, command: str) -> None:
    (folder / "promotions.json").unlink()
    if command == "promote":
        by_hand = next(each.ref for each in list_versions(folder) if each.ref.model == CONTENT)
        promote(folder, by_hand)
    else:
        by_hand = publish_made_up(folder, CONTENT)
    assert serving_version(folder) == by_hand
    log = [(each.ref, each.how) for each in read_promotions(folder)]
    assert log[0] == (newer, PromotionReason.FOUND)
    assert log[1][0] == by_hand


def test_the_log_keeps_the_promotion_of_a_newer_release(folder: Path, known: VersionRef) -> None:
    newer = publish_unknown_model(folder)
    promote(folder, known)
    assert [each.ref for each in read_promotions(folder)] == [known, newer, known]


def test_a_rollback_skips_what_this_release_cannot_serve(folder: Path, known: VersionRef) -> None:
    publish_unknown_model(folder)
    publish_made_up(folder, CONTENT)
    assert rollback(folder) == known


def change_log(folder: Path, change: Callable[[list[Any]], None]) -> None:
    path = folder / "promotions.json"
    log = json.loads(path.read_text())
    change(log)
    path.write_text(json.dumps(log))


def test_entries_of_a_newer_release_stay_in_the_log_as_they_are(folder: Path) -> None:
    first, second = publish_made_up(folder, CONTENT), publish_made_up(folder, POPULARITY)
    of_newer = {"model": CONTENT, "version": first.version, "how": "canary", "share": 0.1}
    change_log(folder, lambda log: log.insert(1, of_newer))
    change_log(folder, lambda log: log[0].update(by="alice"))
    third = publish_made_up(folder, CONTENT)
    written = json.loads((folder / "promotions.json").read_text())
    assert written[0]["by"] == "alice"
    assert written[1] == of_newer
    assert [each.ref for each in read_promotions(folder)] == [first, second, third]
    assert rollback(folder) == second


def test_a_log_that_cannot_be_read_for_a_moment_is_not_overwritten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = publish_made_up(folder, CONTENT), publish_made_up(folder, POPULARITY)
    log = (folder / "promotions.json").read_text()

    def stale(path: Path) -> bytes:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", stale)
        with pytest.raises(OSError, match="Stale file handle"):
            promote(folder, first)
        with pytest.raises(OSError, match="Stale file handle"):
            prune(folder, keep=0)
        assert {each.ref for each in list_versions(folder)} == {first, second}
    assert serving_version(folder) == second
    assert (folder / "promotions.json").read_text() == log


def test_a_promotion_keeps_fields_of_metadata_that_a_newer_release_added(folder: Path) -> None:
    ref = publish_made_up(folder, CONTENT, users=40, promotion=PromotionScope.MODEL)
    publish_made_up(folder, POPULARITY)
    home = folder / ref.model / ref.version
    change_metadata(home, audited="yes")
    promote(folder, ref, shrinkage_accepted=True)
    written = json.loads((home / "metadata.json").read_text())
    assert written["audited"] == "yes"
    assert written["provenance"]["for_all"]
    assert written["shrinkage_accepted"]
