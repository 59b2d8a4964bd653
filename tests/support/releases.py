"""Publishes versions as a newer release would: of a model, or in a format, that this one does not know."""

import shutil
from pathlib import Path
from typing import Any

from recommender.model_store.artifact import FORMAT
from recommender.model_store.currents import PromotionScope, VersionRef
from recommender.model_store.locks import store_lock
from recommender.model_store.promotions import PromotionReason
from recommender.model_store.store import make_current
from recommender.model_store.versions import reserve_version
from tests.support.training import change_metadata, publish_made_up

POPULARITY, UNKNOWN = "popularity", "two_tower"


def publish_unknown_model(folder: Path) -> VersionRef:
    """Publish a version of an unknown model for all users."""
    return _publish(folder, UNKNOWN)


def publish_newer_format(folder: Path, name: str = POPULARITY, **changes: Any) -> VersionRef:
    """Publish a version of a known model for all users, in a format that is to come."""
    return _publish(folder, name, format=FORMAT + 1, **changes)


def _publish(folder: Path, name: str, **changes: Any) -> VersionRef:
    known = publish_made_up(folder, POPULARITY, promotion=PromotionScope.NONE)
    with store_lock(folder):
        ref = VersionRef(name, reserve_version(folder))
        home = folder / ref.model / ref.version
        shutil.copytree(folder / known.model / known.version, home)
        shutil.rmtree(folder / known.model / known.version)
        change_metadata(home, model=ref.model, version=ref.version, **changes)
        make_current(folder, ref, PromotionReason.PUBLISHED)
    return ref
