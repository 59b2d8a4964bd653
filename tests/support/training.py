"""Trains models for tests."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from recommender.cli.train import train
from recommender.domain import DatabaseName
from recommender.models import artefact
from recommender.models.base import NEIGHBOURS as NAME
from tests.support.clients import get
from tests.support.postgres import Urls


def train_on(urls: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Train and publish; the version."""
    with monkeypatch.context() as patch:
        for name in DatabaseName:
            patch.setenv(f"{name.upper()}_URL", urls[name])
        patch.setenv("MODEL_PATH", str(folder))
        result = CliRunner().invoke(train, ["neighbours"])
    assert result.exit_code == 0, result.output
    version = artefact.current_version(folder, NAME)
    assert version is not None
    assert f"Published neighbours {version}" in result.output
    return version


def answers_with(client: FlaskClient, user: str, version: str | None) -> bool:
    return bool(get(client, user, limit=1)["model_version"] == version)
