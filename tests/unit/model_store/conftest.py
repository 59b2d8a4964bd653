"""Fixtures: a folder of models, and a quick watcher of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recommender.model_store import retries, watcher
from tests.support.watched import Watched, index_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def watched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(watcher, "_POLL_S", 0.02)
    monkeypatch.setattr(retries, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(retries, "_PAUSE_BY_DURATION", 0.0)
    watched = Watched(folder, index_of(range(20)))
    watched.watcher.open()
    yield watched
    watched.watcher.close()
