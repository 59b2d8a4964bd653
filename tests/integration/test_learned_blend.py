"""A version with learned weights serves with them, unless weights are configured."""

import json
from pathlib import Path

import pytest

from tests.support.clients import NO_CAPS, PATIENT, get, running_client
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.training import NAME, answers_with, change_metadata, train_on
from tests.support.waiting import wait_until

LEARNED = {"weights": {"content": 0.25, "collaborative": 0.75}, "content": "stated"}


@pytest.fixture
def folder(databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish a version that says it was chosen with `LEARNED`."""
    version = train_on(databases, tmp_path, monkeypatch)
    home = tmp_path / NAME / version
    provenance = json.loads((home / "metadata.json").read_text())["provenance"]
    change_metadata(home, provenance={**provenance, "blend": LEARNED})
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({}, (0.25, 0.75)),
        ({"CONTENT_WEIGHT": "0.4", "COLLABORATIVE_WEIGHT": "0.6"}, (0.4, 0.6)),
        ({"CONTENT": "stated"}, (0.4, 0.6)),
        ({"MODEL": NAME}, (0.4, 0.6)),
    ],
)
def test_learned_weights_apply_unless_weights_are_configured(
    databases: Urls, folder: Path, settings: dict[str, str], weights: tuple[float, float]
) -> None:
    user = Reference(databases).users[0]
    variables = {"MODEL_PATH": str(folder), **NO_CAPS, **PATIENT, **settings}
    with running_client(databases, **variables) as client:
        wait_until(lambda: not answers_with(client, user, None))
        answer = get(client, user, explain="true")
    basis = answer["basis"]
    assert (basis["content_weight"], basis["collaborative_weight"]) == weights
    for item in answer["recommendations"]:
        blended = weights[0] * item["content_score"] + weights[1] * item["collaborative_score"]
        assert item["recommendation_score"] == pytest.approx(blended, abs=1e-4)
