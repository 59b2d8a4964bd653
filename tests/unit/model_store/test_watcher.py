"""The watcher uses valid versions, keeps the one in use, reports refused ones, and checks them again."""

import logging
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.data.forgotten import FILE
from recommender.model_store import artifact
from recommender.model_store.trials import try_out
from recommender.models.base import Scores
from recommender.models.user_knn.trained import UserKnn
from recommender.texts.id_table import IdTable, IdTexts
from recommender.training.forgetting import note_forgotten
from tests.support.training import NAME, change_metadata, copy_version, make_current
from tests.support.waiting import wait_until
from tests.support.watched import Watched, index_of, publish

pytestmark = pytest.mark.slow

LATER, STILL_LATER = "20990101T000000.000000Z", "20990102T000000.000000Z"


def test_a_published_version_is_used_and_nothing_is_refused(watched: Watched, folder: Path) -> None:
    watched.uses(None)
    for _ in range(2):
        watched.uses(publish(folder))


def test_a_version_that_arrives_after_its_link_is_used_once_it_is_there(
    watched: Watched, folder: Path
) -> None:
    version = publish(folder)
    watched.uses(version)
    make_current(folder, LATER)
    watched.refuses(LATER, "names a version that is not there", using=version)
    arriving = copy_version(folder, version, STILL_LATER)
    files = sorted(arriving.iterdir())
    home = folder / NAME / LATER
    home.mkdir()
    change_metadata(arriving, version=LATER)
    watched.refuses(LATER, "metadata.json cannot be read", using=version)
    for file in files:
        shutil.copy(file, home / file.name)
    watched.uses(LATER)


def test_a_file_that_could_not_be_read_is_read_again(watched: Watched, folder: Path) -> None:
    version = publish(folder)
    watched.uses(version)
    home = copy_version(folder, version, LATER)
    (home / "values.npy").rename(home / "aside")
    (home / "values.npy").symlink_to("values.npy")
    make_current(folder, LATER)
    watched.refuses(LATER, "values.npy cannot be read: ", using=version)
    (home / "aside").replace(home / "values.npy")
    watched.uses(LATER)


def test_a_path_that_is_not_a_file_does_not_block_the_watcher(watched: Watched, folder: Path) -> None:
    version = publish(folder)
    watched.uses(version)
    home = copy_version(folder, version, LATER)
    (home / "values.npy").unlink()
    os.mkfifo(home / "values.npy")
    make_current(folder, LATER)
    watched.refuses(LATER, "values.npy is not a file", using=version)


def test_a_removed_link_keeps_the_model_and_is_reported(watched: Watched, folder: Path) -> None:
    version = publish(folder)
    watched.uses(version)
    (folder / NAME / "current").unlink()
    watched.refuses(None, "current is gone", using=version)
    make_current(folder, version)
    watched.uses(version)


def test_a_removed_folder_keeps_the_model_and_is_reported(watched: Watched, folder: Path) -> None:
    version = publish(folder)
    watched.uses(version)
    shutil.rmtree(folder / NAME / version)
    watched.refuses(version, "names a version that is not there", using=version)


@pytest.mark.parametrize(
    ("kind", "reason"), [("folder", "as a symbolic link"), ("name", "something that is not a version")]
)
def test_a_current_that_is_no_link_to_a_version_is_refused(
    watched: Watched, folder: Path, kind: str, reason: str
) -> None:
    home = folder / NAME
    home.mkdir(parents=True)
    if kind == "folder":
        (home / "current").mkdir()
    else:
        (home / "current").symlink_to("/etc/passwd")
    watched.refuses(None, reason, using=None)
    refused = watched.watcher.state().refused
    assert refused is not None
    assert "/" not in refused.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": {"users": "many"}},
        {"counts": {}},
        {"counts": {"users": 100, "media": 20}},
        {"counts": None},
        {"built_at": "yesterday"},
        {"built_at": "2026-01-01T00:00:00"},
        {"built_at": 3},
        {"checksums": ["values"]},
        {"checksums": {}},
        {"version": 5},
        {"model": "other"},
        {"format": 2},
        {"format": "2"},
        {"shrinkage_accepted": "perhaps"},
    ],
)
def test_wrong_metadata_is_refused(watched: Watched, folder: Path, changes: dict[str, object]) -> None:
    version = publish(folder)
    watched.uses(version)
    change_metadata(copy_version(folder, version, LATER), **changes)
    make_current(folder, LATER)
    watched.refuses(LATER, "", using=version)


@pytest.mark.parametrize("text", ["[]", "{", "null", "[" * 100_000, "\udcff", '{"model": "neighbours"}'])
def test_unreadable_metadata_is_refused(watched: Watched, folder: Path, text: str) -> None:
    version = publish(folder)
    watched.uses(version)
    home = copy_version(folder, version, LATER)
    (home / "metadata.json").write_bytes(text.encode(errors="surrogateescape"))
    make_current(folder, LATER)
    watched.refuses(LATER, "metadata.json", using=version)


def test_a_model_that_lost_more_than_half_of_its_users_is_refused(watched: Watched, folder: Path) -> None:
    version = publish(folder, 100)
    watched.uses(version)
    smaller = publish(folder, 49)
    watched.refuses(smaller, "51.0% fewer users than the model in use", using=version)
    watched.uses(publish(folder, 50))


def test_a_model_whose_shrinkage_was_accepted_is_used(watched: Watched, folder: Path) -> None:
    watched.uses(publish(folder, 100))
    watched.uses(publish(folder, 10, accepted=True))


def test_a_model_of_other_items_is_refused_until_the_catalog_has_them(watched: Watched, folder: Path) -> None:
    version = publish(folder)
    watched.uses(version)
    watched.index = index_of(range(16, 36))
    watched.refuses(version, "only 20.0% of its media are in the catalog", using=None)
    watched.index = index_of(range(10, 30))
    watched.uses(version)


def test_a_new_model_of_other_items_leaves_the_one_in_use(watched: Watched, folder: Path) -> None:
    version = publish(folder)
    watched.uses(version)
    other = publish(folder, items=range(16, 56))
    watched.refuses(other, "only 10.0% of its media are in the catalog", using=version)
    watched.uses(publish(folder))


def test_a_model_most_of_whose_items_have_expired_is_used_if_it_knows_what_is_watched_now(
    watched: Watched, folder: Path
) -> None:
    version = publish(folder, items=range(80))
    # 5 of 80 items are left, and 15 are new.
    watched.index = index_of(range(75, 95))
    watched.uses(version)
    watched.index = index_of(range(76, 96))
    watched.refuses(version, "it knows only 20.0% of what is liked and watched there", using=None)


def test_a_model_of_few_items_of_the_catalog_is_judged_once_the_catalogs_users_are_counted(
    watched: Watched, folder: Path
) -> None:
    watched.index = index_of(range(20), counted=False)
    # A check that has begun may still use the old index.
    time.sleep(0.2)
    version = publish(folder, items=range(80))
    time.sleep(0.3)
    assert watched.state == (None, None)
    watched.index = index_of(range(20))
    watched.uses(version)
    watched.index = index_of(range(20), counted=False)
    time.sleep(0.3)
    watched.uses(version)


def test_a_model_waits_for_the_first_catalog_index(watched: Watched, folder: Path) -> None:
    watched.index = None
    # A check that has begun may still use the old index.
    time.sleep(0.2)
    version = publish(folder)
    watched.watcher.wait_for_first_look(10)
    assert watched.state == (None, None)
    watched.index = index_of(range(17, 97))
    watched.refuses(version, "only 15.0%", using=None)
    watched.index = index_of(range(20))
    watched.watcher.wait_for_first_look(10)
    watched.uses(version)


def test_an_empty_catalog_is_no_reason_to_drop_a_model(
    watched: Watched, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version = publish(folder)
    watched.uses(version)
    watched.index = index_of([])
    for _ in range(10):
        time.sleep(0.02)
        assert watched.state == (version, None)
    assert "refused" not in caplog.text


def test_a_reason_is_logged_once_and_contains_no_path(
    watched: Watched, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    version = publish(folder)
    watched.uses(version)
    (copy_version(folder, version, LATER) / "values.npy").write_bytes(b"half")
    make_current(folder, LATER)
    watched.refuses(LATER, "values.npy: the checksum is wrong", using=version)
    tries = []
    original = artifact.verify

    def counted(*arguments: object) -> object:
        tries.append(1)
        return original(*arguments)  # type: ignore[arg-type]  # handed on

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifact, "verify", counted)
        wait_until(lambda: len(tries) >= 3)
    lines = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert lines == [f"model neighbours {LATER} refused, neighbours stays: values.npy: the checksum is wrong"]
    (folder / NAME / LATER / "values.npy").unlink()
    watched.refuses(LATER, "values.npy cannot be read", using=version)
    refused = watched.watcher.state().refused
    assert refused is not None
    assert str(folder) not in refused.reason


def test_a_model_of_far_fewer_items_is_refused(watched: Watched, folder: Path) -> None:
    version = publish(folder)
    watched.uses(version)
    fewer = publish(folder, items=range(9))
    watched.refuses(fewer, "55.0% fewer media than the model in use", using=version)


def test_a_model_that_holds_a_forgotten_user_answers_no_request_that_begins_afterwards(
    watched: Watched, folder: Path
) -> None:
    version = publish(folder)
    watched.uses(version)
    begun = watched.watcher.selection()
    # Even before the thread has noticed it.
    watched.watcher.close()
    note_forgotten(folder, ["0007"])
    assert watched.watcher.selection().trained is None
    assert watched.watcher.state().version is None
    assert begun.trained is not None
    assert begun.trained.version == version


def test_after_a_user_is_forgotten_only_a_version_without_the_user_is_used(
    watched: Watched, folder: Path
) -> None:
    version = publish(folder)
    watched.uses(version)
    note_forgotten(folder, ["0007"])
    watched.refuses(version, "before a user was forgotten", using=None)
    without = publish(folder)
    watched.uses(without)
    note_forgotten(folder, ["0007"])
    assert watched.state == (without, None), "nothing is new about it"


def test_without_a_list_that_can_be_read_no_model_is_used(watched: Watched, folder: Path) -> None:
    note_forgotten(folder, ["0007"])
    version = publish(folder)
    watched.uses(version)
    content = (folder / FILE).read_text()
    (folder / FILE).write_text("{")
    watched.refuses(version, "before a user was forgotten", using=None)
    (folder / FILE).write_text(content)
    watched.uses(version)


def fail(*_: object) -> Scores:
    raise ZeroDivisionError


def test_a_model_that_cannot_score_is_refused(
    watched: Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = publish(folder)
    watched.uses(good)
    monkeypatch.setattr(UserKnn, "score", fail)
    watched.refuses(publish(folder), "it cannot score (ZeroDivisionError)", using=good)
    watched.watcher.prepare(index_of(range(20)))


def test_a_model_in_use_that_cannot_score_with_a_new_index_is_refused_until_it_can(
    watched: Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(folder)
    watched.uses(version)
    with monkeypatch.context() as broken:
        broken.setattr(UserKnn, "score", fail)
        watched.index = index_of(range(1, 20))
        watched.refuses(version, "it cannot score (ZeroDivisionError)", using=None)
    watched.uses(version)


def test_a_model_in_use_that_cannot_score_any_more_is_refused_until_it_can(
    watched: Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.model_store.trials._PAUSE_S", 0.2)
    version = publish(folder)
    watched.uses(version)
    with monkeypatch.context() as broken:
        broken.setattr(UserKnn, "score", fail)
        watched.refuses(version, "it cannot score (ZeroDivisionError)", using=None)
    watched.uses(version)


def test_a_model_is_prepared_for_an_index_before_its_use(
    watched: Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.uses(publish(folder))
    searched: list[IdTable] = []
    locate = IdTable.locate

    def noting(table: IdTable, texts: IdTexts | Sequence[str]) -> NDArray[np.intp]:
        # The items of the model, and not those of a user's history.
        if isinstance(texts, IdTexts):
            searched.append(table)
        return locate(table, texts)

    following = index_of(range(1, 20))
    monkeypatch.setattr(IdTable, "locate", noting)
    watched.watcher.prepare(following)
    assert following.popularity.ids in searched
    searched.clear()
    trained = watched.watcher.selection().trained
    assert trained is not None
    for index in (following, watched.index):
        assert index is not None
        try_out(trained, index)
    assert searched == []
