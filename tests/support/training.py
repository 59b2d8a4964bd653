"""Trains models for tests, and publishes altered ones."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from numpy.typing import NDArray

from recommender.cli.train import train
from recommender.entities import Blend, DatabaseName
from recommender.model_store import artifact
from recommender.model_store.artifact import Provenance
from recommender.model_store.currents import PromotionScope, VersionRef
from recommender.model_store.publishing import publishing
from recommender.model_store.runs import (
    ComparedVariant,
    MetricInterval,
    SearchedVariant,
    TrainingOutcome,
    TrainingRun,
    Trigger,
    write_run,
)
from recommender.models.registry import MODELS
from recommender.models.user_knn.trained import UserKnn
from tests.support.clients import get
from tests.support.datasets import dataset
from tests.support.postgres import Urls

NAME = UserKnn.name


def train_on(
    urls: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, name: str = NAME
) -> str:
    """Train and publish a model. Return its version."""
    with monkeypatch.context() as patch:
        for database in DatabaseName:
            patch.setenv(f"{database.upper()}_URL", urls[database])
        patch.setenv("MODEL_PATH", str(folder))
        result = CliRunner().invoke(train, [name, *options])
    assert result.exit_code == 0, result.output
    version = artifact.current_version(folder, name)
    assert version is not None
    assert f"Published {name} {version}" in result.output
    return version


def answers_with(client: FlaskClient, user: str, version: str | None) -> bool:
    return bool(get(client, user, limit=1)["model_version"] == version)


def copy_version(folder: Path, version: str, name: str) -> Path:
    """Copy a version to another name, which does not become current. Return its folder."""
    copied = folder / NAME / name
    shutil.copytree(folder / NAME / version, copied)
    change_metadata(copied, version=name)
    return copied


def change_metadata(home: Path, **changes: Any) -> None:
    path = home / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_arrays(home: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace arrays of a version, and update its checksums and counts."""
    metadata = json.loads((home / "metadata.json").read_text())
    for name, array in arrays.items():
        np.save(home / f"{name}.npy", array)
        digest = hashlib.sha256((home / f"{name}.npy").read_bytes()).hexdigest()
        metadata["checksums"][name] = digest
        for what, counted in (("users", "user_ids"), ("media", "media_ids"), ("pairs", "values")):
            if name == counted:
                metadata["counts"][what] = len(array)
    change_metadata(home, **metadata)


def make_current(folder: Path, name: str) -> None:
    """Make a version the current one of its model and of all, even if it does not exist."""
    for home, target in ((folder / NAME, Path(name)), (folder, Path(NAME, name))):
        link = home / "link"
        link.symlink_to(target)
        link.replace(home / "current")


def versions_in(folder: Path) -> list[str]:
    home = folder / NAME
    return sorted(path.name for path in home.iterdir() if artifact.VERSION.fullmatch(path.name))


def publish_made_up(
    folder: Path,
    name: str = NAME,
    *,
    users: int = 100,
    items: int = 20,
    blend: Blend | None = None,
    accepted: bool = False,
    promotion: PromotionScope = PromotionScope.ALL,
    kept_versions: int = 3,
) -> VersionRef:
    """Publish a model of made-up users, each of whom likes five items."""
    data = dataset(
        {f"{user:04}": [f"{(user * 3 + n) % items:04}" for n in range(5)] for user in range(users)}
    )
    model = MODELS[name].make({})
    model.fit(data)
    provenance = Provenance("test", run=1, blend=blend, metrics={"ndcg@10": (0.2, 0.1, 0.3)})
    provenance = replace(provenance, for_all=promotion is not PromotionScope.MODEL)
    with publishing(folder, name, kept_versions=kept_versions) as publisher:
        metadata = publisher.publish(
            model, data, provenance, shrinkage_accepted=accepted, promotion=promotion
        )
    return VersionRef(name, metadata.version)


def record_run(folder: Path, number: int, **changes: Any) -> TrainingRun:
    """Record a training run in which a challenger won."""
    interval = MetricInterval(mean=0.2, low=0.15, high=0.25)
    better = MetricInterval(mean=0.05, low=0.01, high=0.09)

    def compared(name: str, **measured: Any) -> ComparedVariant:
        return ComparedVariant(
            name=name,
            model="ease",
            hyperparameters={},
            content_weight=0.4,
            collaborative_weight=0.6,
            content="stated",
            **measured,
        )

    run = TrainingRun(
        number=number,
        started_at="2026-11-20T03:00:00+00:00",
        ended_at="2026-11-20T03:15:00+00:00",
        trigger=Trigger.SCHEDULE,
        outcome=TrainingOutcome.PUBLISHED,
        reason="the challenger <&> is significantly better",
        champion="the former",
        chosen="the challenger",
        model="ease",
        version="20261120T031502.104833Z",
        metric="ndcg@10",
        users=120,
        split="time",
        compared=(
            compared("the challenger", metric=interval, against_champion=better),
            compared("the former", metric=interval),
            compared("the slow one", refused="it needs more memory"),
        ),
        searched=(SearchedVariant(name="the tried <&>", mean=0.19, against_popularity=better),),
        tried=34,
        left_out=("als: it takes about 900 s to learn",),
    ).model_copy(update=changes)
    write_run(folder, run)
    return run
