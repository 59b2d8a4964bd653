"""Tests GET /api/models on stores in all states."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from config.access_settings import KeyScope
from recommender.auth_keys import make_key
from recommender.databases.recording import recorded_statements
from recommender.entities import Blend, Weights
from recommender.model_store.artifact import Fingerprint
from recommender.model_store.runs import TrainingOutcome, TrainingRun
from recommender.model_store.store import list_versions
from recommender.training.forgetting import note_forgotten
from tests.support.clients import PATIENT, running_app, running_client
from tests.support.contract import Contract
from tests.support.postgres import Urls
from tests.support.training import publish_made_up, record_run, train_on
from tests.support.waiting import wait_until

POPULARITY, CONTENT = "popularity", "content"
BLEND = Blend(Weights(0.25, 0.75), "profile")
# Keys that the record of a run nests differently.
SHARES = ("content_weight", "collaborative_weight", "content")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def served(shared_databases: Urls, folder: Path) -> Iterator[FlaskClient]:
    """A service with its own store."""
    with running_client(shared_databases, MODEL_PATH=str(folder), **PATIENT) as client:
        yield client


@pytest.fixture
def answers_of(served: FlaskClient, contract: Contract) -> Any:
    """Return the answer. Assert that it is as declared and takes no statement."""

    def ask(query: str = "") -> dict[str, Any]:
        with recorded_statements() as statements:
            response = served.get(f"/api/models{query}")
        assert response.status_code == 200
        assert not statements
        contract.check("getModels", response)
        found: dict[str, Any] = response.get_json()
        return found

    return ask


def expected_run(run: TrainingRun) -> dict[str, Any]:
    """Return the expected answer about a record."""
    expected = run.model_dump(mode="json")
    for each in expected["compared"]:
        each["blend"] = {name: each.pop(name) for name in SHARES}
    return expected


def test_a_missing_store_is_empty(answers_of: Any, folder: Path) -> None:
    assert answers_of() == {
        "serving": {"name": "live", "version": None},
        "versions": [],
        "runs": [],
        "limit": 10,
    }
    assert not folder.exists()


def test_all_metadata_of_a_version_is_answered(answers_of: Any, folder: Path) -> None:
    first = publish_made_up(folder, CONTENT)
    second = publish_made_up(folder, POPULARITY, blend=BLEND, accepted=True)
    newest, oldest = answers_of()["versions"]
    assert (newest["model"], newest["version"]) == second
    assert (oldest["model"], oldest["version"]) == first
    stored = list_versions(folder)[0].metadata
    assert stored is not None
    assert newest["made"] == {
        "built_at": stored.built_at,
        "made_by": "test",
        "run": 1,
        "host": stored.host,
        "code_version": stored.code_version,
        "hyperparameters": stored.hyperparameters,
        "counts": {"users": 100, "media": 20, "pairs": 500, "known_media": 20},
        "window_start": stored.window_start,
        "fingerprint": {
            "first_at": stored.fingerprint.first_at,
            "last_at": stored.fingerprint.last_at,
            "ids_checksum": stored.fingerprint.ids_checksum,
        },
        "metrics": {"ndcg@10": {"mean": 0.2, "low": 0.1, "high": 0.3}},
        "blend": {"content_weight": 0.25, "collaborative_weight": 0.75, "content": "profile"},
        "shrinkage_accepted": True,
    }
    roles = ("current", "current_of_model", "was_current", "fault")
    assert [newest[role] for role in roles] == [True, True, False, None]
    assert [oldest[role] for role in roles] == [False, True, True, None]
    assert oldest["made"]["blend"] is None


def test_all_fields_of_a_record_are_answered(answers_of: Any, folder: Path) -> None:
    fingerprint = Fingerprint("2026-08-22T03:00:11+00:00", None, ids_checksum="9f86d081")
    first = record_run(folder, 1)
    second = record_run(
        folder,
        2,
        fingerprint=fingerprint,
        counts={"interactions": 900, "users": 120, "media": 20, "pairs": 500},
        code_version="1.2.3",
        host="app-1",
    )
    failed = record_run(
        folder,
        3,
        outcome=TrainingOutcome.FAILED,
        reason="no room",
        compared=(),
        model=None,
        version=None,
        chosen=None,
    )
    assert answers_of()["runs"] == [expected_run(run) for run in (failed, second, first)]
    assert answers_of("?limit=1")["runs"] == [expected_run(failed)]
    assert answers_of("?limit=1")["limit"] == 1


def test_a_damaged_record_and_a_damaged_version_do_not_hide_the_others(answers_of: Any, folder: Path) -> None:
    good, damaged = record_run(folder, 1), record_run(folder, 2)
    (folder / "runs" / f"{damaged.number:06}.json").write_bytes(b'{"number": 2')
    assert answers_of()["runs"] == [expected_run(good)]
    other, ref = publish_made_up(folder, POPULARITY), publish_made_up(folder, CONTENT)
    (folder / ref.model / ref.version / "metadata.json").write_text("[]")
    newest, older = answers_of()["versions"]
    assert (newest["version"], newest["made"]) == (ref.version, None)
    assert newest["fault"].startswith("metadata.json is not valid")
    assert (older["version"], older["fault"]) == (other.version, None)


def test_versions_that_hold_a_forgotten_user_are_named_with_that_fault(answers_of: Any, folder: Path) -> None:
    publish_made_up(folder, POPULARITY)
    note_forgotten(folder, ["0001"])
    (version,) = answers_of()["versions"]
    assert version["fault"] == "it was made before a user was forgotten: run `forget` again, or train"
    assert version["made"]["counts"]["users"] == 100
    (folder / "forgotten.json").write_text("{")
    (version,) = answers_of()["versions"]
    assert "the forgotten users are not known" in version["fault"]
    assert str(folder) not in version["fault"]


@pytest.mark.parametrize("limit", ["0", "101", "x", ""])
def test_a_limit_that_is_not_allowed_is_refused(served: FlaskClient, limit: str) -> None:
    response = served.get(f"/api/models?limit={limit}")
    assert response.status_code == 400
    assert "limit" in response.get_json()["error"]


def test_the_serving_model_is_named_and_follows_a_promotion(
    shared_databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = train_on(shared_databases, tmp_path, monkeypatch)
    with running_client(shared_databases, MODEL_PATH=str(tmp_path), **PATIENT) as client:
        serving = {"name": "neighbours", "version": version}
        wait_until(lambda: client.get("/api/models").get_json()["serving"] == serving)
        (found,) = client.get("/api/models").get_json()["versions"]
    assert (found["current"], found["version"], found["made"]["made_by"]) == (True, version, "train")


def test_the_endpoint_needs_a_key_with_the_scope_ops(shared_databases: Urls, tmp_path: Path) -> None:
    keys = {scope: make_key(f"holder-of-{scope.value}", [scope]) for scope in (KeyScope.READ, KeyScope.OPS)}
    entries = ",".join(entry.entry for _, entry in keys.values())
    publish_made_up(tmp_path, POPULARITY)
    with running_app(shared_databases, API_KEYS=entries, MODEL_PATH=str(tmp_path), **PATIENT) as app:
        client = app.test_client()
        bearer = {scope: {"Authorization": f"Bearer {key}"} for scope, (key, _) in keys.items()}
        assert client.get("/api/models").status_code == 401
        refused = client.get("/api/models", headers=bearer[KeyScope.READ])
        assert (refused.status_code, set(refused.get_json())) == (403, {"error", "code"})
        allowed = client.get("/api/models", headers=bearer[KeyScope.OPS])
    assert allowed.status_code == 200
    assert len(allowed.get_json()["versions"]) == 1


def test_an_unknown_parameter_is_refused_with_the_allowed_one(served: FlaskClient) -> None:
    response = served.get("/api/models?page=1")
    assert response.status_code == 400
    assert response.get_json()["error"] == "unknown query parameter 'page'; limit is allowed"
