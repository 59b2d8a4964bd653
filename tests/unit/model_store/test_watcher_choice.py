"""Which of several published models the watcher uses."""

import contextlib
import time
from pathlib import Path

import pytest

from recommender.entities import Blend, Weights
from recommender.model_store.currents import PromotionScope
from recommender.model_store.store import find_version, promote, rollback
from recommender.models.item_knn import ItemKnn
from recommender.models.names import AUTO
from tests.support.training import NAME, change_metadata, publish_made_up
from tests.support.watched import Watched, publish, publish_items, watching

pytestmark = pytest.mark.slow


def test_of_several_models_the_one_published_last_is_used(watched: Watched, folder: Path) -> None:
    for publish_one in (publish, publish_items, publish):
        watched.uses(publish_one(folder))


def test_at_the_start_the_model_before_a_bad_one_is_used_and_the_bad_one_is_reported(
    watched: Watched, folder: Path
) -> None:
    watched.watcher.close()
    version, bad = publish(folder), publish_items(folder)
    (folder / ItemKnn.name / bad / "weights.npy").write_bytes(b"half")
    later = Watched(folder, watched.index)
    later.watcher.open()
    try:
        later.refuses(bad, "weights.npy: the checksum is wrong", using=version)
    finally:
        later.watcher.close()


def test_a_model_in_use_whose_link_is_removed_is_not_replaced_by_an_older_one(
    watched: Watched, folder: Path
) -> None:
    watched.uses(publish(folder))
    version = publish_items(folder)
    watched.uses(version)
    (folder / ItemKnn.name / "current").unlink()
    watched.refuses(None, "current is gone", using=version)


def test_a_broken_link_of_another_model_is_reported(watched: Watched, folder: Path) -> None:
    version = publish(folder)
    watched.uses(version)
    (folder / ItemKnn.name).mkdir()
    (folder / ItemKnn.name / "current").symlink_to("nowhere")
    watched.refuses(None, "links to something that is not a version", using=version)


def test_an_item_model_without_counts_is_refused_and_others_are_tried(watched: Watched, folder: Path) -> None:
    version = publish_items(folder)
    watched.uses(version)
    later = publish_items(folder)
    watched.uses(later)
    change_metadata(folder / ItemKnn.name / later, counts={"media": 20})
    again = publish(folder)
    watched.uses(again)


def test_live_ignores_what_is_published(watched: Watched, folder: Path) -> None:
    watched.uses(publish(folder))
    with contextlib.closing(watching(folder, "live").watcher) as other:
        other.open()
        other.wait_for_first_look(10)
        assert (other.state().name, other.state().refused) == ("live", None)


def test_a_name_follows_only_the_model_of_that_name(watched: Watched, folder: Path) -> None:
    version = publish(folder)
    named = watching(folder, NAME)
    with contextlib.closing(named.watcher):
        named.watcher.open()
        named.uses(version)
        watched.uses(publish_items(folder))
        time.sleep(0.2)
        assert named.state == (version, None)


@pytest.mark.parametrize(("may_learn", "expected"), [(True, Weights(0.1, 0.9)), (False, Weights(0.4, 0.6))])
def test_the_blend_of_a_version_is_used_unless_one_is_configured(
    folder: Path, *, may_learn: bool, expected: Weights
) -> None:
    ref = publish_made_up(folder, blend=Blend(Weights(0.1, 0.9), "profile"))
    watched = watching(folder, AUTO, may_learn_blend=may_learn)
    with contextlib.closing(watched.watcher):
        watched.watcher.open()
        watched.uses(ref.version)
        assert watched.watcher.selection().blend.weights == expected


@pytest.mark.parametrize("target", ["nowhere", "/etc/passwd", "../neighbours/20990101T000000.000000Z"])
def test_a_current_of_all_that_is_no_version_is_refused(watched: Watched, folder: Path, target: str) -> None:
    version = publish(folder)
    watched.uses(version)
    (folder / "current").unlink()
    (folder / "current").symlink_to(target)
    watched.refuses(None, "current of all models links to something", using=version)


def test_a_promoted_or_restored_version_is_used(watched: Watched, folder: Path) -> None:
    first, second = publish(folder), publish_items(folder)
    watched.uses(second)
    promote(folder, find_version(folder, first))
    watched.uses(first)
    assert rollback(folder).version == second
    watched.uses(second)


def used_at_the_start(folder: Path, wanted: str) -> tuple[str, str | None]:
    """Return the model that a new watcher uses, and its version."""
    with contextlib.closing(watching(folder, wanted).watcher) as watcher:
        watcher.open()
        watcher.wait_for_first_look(10)
        assert watcher.is_missing == (watcher.state().version is None and watcher.state().refused is None)
        return watcher.state().name, watcher.state().version


def test_a_version_for_an_experiment_answers_only_by_its_name(folder: Path) -> None:
    tried = publish_made_up(folder, ItemKnn.name, promotion=PromotionScope.MODEL).version
    assert used_at_the_start(folder, ItemKnn.name) == (ItemKnn.name, tried)
    assert used_at_the_start(folder, AUTO) == ("live", None)
    version = publish(folder)
    assert used_at_the_start(folder, AUTO) == (NAME, version)
    tried = publish_made_up(folder, ItemKnn.name, promotion=PromotionScope.MODEL).version
    (folder / NAME / version / "metadata.json").write_text("{")
    assert used_at_the_start(folder, AUTO) == ("live", None)
    promote(folder, find_version(folder, tried))
    (folder / "current").unlink()
    assert used_at_the_start(folder, AUTO) == (ItemKnn.name, tried)
