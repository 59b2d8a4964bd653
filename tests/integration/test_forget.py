"""After `forget`, answers ignore the interactions of a user, and no model file holds the id."""

import os
import shutil
import signal
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from recommender.data.forgotten import FILE
from recommender.entities import DatabaseName
from recommender.model_store import artifact
from tests.support.clients import NO_CAPS, PATIENT, get, post_batch, running_client
from tests.support.commands import Run
from tests.support.forked import run_forked
from tests.support.gunicorn import running_gunicorn
from tests.support.postgres import Outage, Urls
from tests.support.training import train_on, versions_in
from tests.support.waiting import eventually

ENGAGEMENT = DatabaseName.ENGAGEMENT
MODELS = ["ease", "neighbours"]
_PATIENCE_S = 30.0
STRANGER = "3b0f6c1e-52c7-4d0a-9a55-7f0e1d6c8b42"

Answers = Mapping[str, Any]


@pytest.fixture
def run(run_on_models: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    # Tests make outages here, so timeouts are short.
    monkeypatch.setenv("POOL_TIMEOUT_MS", "200")
    return run_on_models


@pytest.fixture(scope="module")
def store(shared_databases: Urls, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models with two versions each, trained on the tests' initial data."""
    folder = tmp_path_factory.mktemp("store") / "models"
    with pytest.MonkeyPatch.context() as patch:
        for name in MODELS * 2:
            train_on(shared_databases, folder, patch, name=name)
    return folder


@pytest.fixture
def trained(store: Path, folder: Path) -> None:
    """A copy of the two models."""
    shutil.copytree(store, folder, symlinks=True)


@pytest.fixture
def users(databases: Urls) -> list[str]:
    """Return all users with interactions, those with the most first."""
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        rows = connection.execute(
            "SELECT user_id::text FROM interaction GROUP BY 1 ORDER BY count(*) DESC, 1"
        )
        return [user for (user,) in rows]


def delete_rows(databases: Urls, user: str) -> None:
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("DELETE FROM interaction WHERE user_id = %s::uuid", [user])


def traces(folder: Path, user: str) -> list[str]:
    """Return the files that hold an id, as text, in binary, or as digits alone."""
    known = uuid.UUID(user)
    forms = (user.encode(), known.bytes, known.hex.encode(), user.upper().encode())
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and any(form in path.read_bytes() for form in forms)
    ]


def users_of(folder: Path, model: str) -> int:
    """Return the number of users in the current version of a model."""
    version = str(artifact.current_version(folder, model))
    return artifact.read_metadata(folder, model, version).counts["users"]


def answers_of(urls: Urls, folder: Path, model: str, users: list[str]) -> Answers:
    """Return all users' recommendations with scores, and the items similar to these, without versions."""
    with running_client(urls, MODEL_PATH=str(folder), MODEL=model, MIN_HISTORY="0", **PATIENT) as client:
        client.application.extensions["container"].wait_for_model(_PATIENCE_S)
        found: dict[str, Any] = {}
        for user, answer in post_batch(client, users, limit=100)["results"].items():
            assert (answer["model"], answer["degraded"]) == (model, [])
            found[user] = (answer["recommendations"], answer["strategy"])
        assert found.keys() == set(users)
        for item_id in {item["id"] for items, _ in found.values() for item in items}:
            similar = client.get(f"/api/media/{item_id}/similar").get_json()
            assert similar["model"] == model
            found[item_id] = similar["similar"]
    return found


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.usefixtures("trained")
def test_answers_equal_those_of_a_model_trained_without_the_user(
    run: Run, databases: Urls, folder: Path, users: list[str], model: str
) -> None:
    forgotten, *others = users
    with_user = answers_of(databases, folder, model, others)
    # The rows still exist: only the command leaves them out.
    assert run("forget", forgotten).status == 0
    # PostgreSQL counts popularity, which must be the same for both.
    delete_rows(databases, forgotten)
    after = answers_of(databases, folder, model, others)
    never = folder.parent / "never"
    os.environ["MODEL_PATH"] = str(never)
    assert run("train", model).status == 0
    expected = answers_of(databases, never, model, others)
    assert after.keys() == expected.keys()
    # pytest would take minutes to show how two dicts of this size differ.
    assert {key: after[key] for key in after if after[key] != expected[key]} == {}
    assert any(after.get(key) != answer for key, answer in with_user.items())


@pytest.mark.usefixtures("trained")
def test_no_file_holds_the_id_and_only_new_versions_remain(run: Run, folder: Path, users: list[str]) -> None:
    before = {name: artifact.current_version(folder, name) for name in MODELS}
    assert any("neighbours" in trace for trace in traces(folder, users[0]))
    result = run("forget", users[0].upper(), users[1])
    assert result.status == 0, result.err
    assert traces(folder, users[0]) == traces(folder, users[1]) == []
    for name in MODELS:
        version = artifact.current_version(folder, name)
        assert version is not None
        assert version != before[name]
        kept = [path.name for path in (folder / name).iterdir() if artifact.VERSION.fullmatch(path.name)]
        assert kept == [version]
        assert f"{name} {version} is trained without them; older versions removed: 2" in result.out
        assert artifact.read_metadata(folder, name, version).provenance.made_by == "forget"


def test_a_model_whose_folder_is_a_link_to_another_disk_forgets_too(
    run: Run, folder: Path, users: list[str]
) -> None:
    assert run("train", "neighbours").status == 0
    disk = folder.parent / "disk"
    (folder / "neighbours").rename(disk)
    (folder / "neighbours").symlink_to(disk)
    assert traces(disk, users[0])
    result = run("forget", users[0])
    assert (result.status, "neighbours" in result.out) == (0, True)
    assert traces(disk, users[0]) == []


def test_a_version_whose_folder_is_a_link_is_removed_with_its_target(
    run: Run, folder: Path, users: list[str]
) -> None:
    assert run("train", "neighbours").status == 0
    version = str(artifact.current_version(folder, "neighbours"))
    disk = folder.parent / "disk"
    (folder / "neighbours" / version).rename(disk)
    (folder / "neighbours" / version).symlink_to(disk)
    assert traces(disk, users[0])
    assert run("forget", users[0]).status == 0
    assert traces(disk, users[0]) == []
    assert not (folder / "neighbours" / version).is_symlink()


@pytest.mark.usefixtures("trained")
def test_the_model_that_served_serves_again_with_its_own_hyperparameters(
    run: Run, folder: Path, users: list[str]
) -> None:
    assert run("train", "ease", "--set", "items=50", "--accept-shrinkage").status == 0
    former = artifact.read_metadata(folder, "ease", str(artifact.current_version(folder, "ease")))
    assert run("forget", users[0]).status == 0
    versions = {name: str(artifact.current_version(folder, name)) for name in MODELS}
    assert max(versions, key=lambda name: versions[name]) == "ease"
    metadata = artifact.read_metadata(folder, "ease", versions["ease"])
    assert metadata.hyperparameters == former.hyperparameters
    assert metadata.counts["users"] == former.counts["users"] - 1


@pytest.mark.usefixtures("trained")
def test_later_trainings_leave_the_user_out_though_the_rows_exist(
    run: Run, folder: Path, users: list[str]
) -> None:
    counted = users_of(folder, "neighbours")
    run("forget", users[0])
    for name in MODELS:
        assert run("train", name).status == 0
        assert users_of(folder, name) == counted - 1
    assert traces(folder, users[0]) == []


@pytest.mark.usefixtures("trained")
def test_forgetting_a_user_twice_changes_nothing(run: Run, folder: Path, users: list[str]) -> None:
    run("forget", users[0])
    versions, content = versions_in(folder), (folder / FILE).read_bytes()
    result = run("forget", users[0])
    assert result.status == 0
    assert "trained" not in result.out
    assert (versions_in(folder), (folder / FILE).read_bytes()) == (versions, content)


@pytest.mark.usefixtures("trained")
def test_an_unknown_user_is_noted_and_reported(run: Run, folder: Path, users: list[str]) -> None:
    result = run("forget", STRANGER, users[0])
    assert result.status == 0
    assert "engagement_db has no rows of 1 of these users" in result.out
    assert traces(folder, STRANGER) == []


def test_ids_are_read_from_a_file_or_refused_as_a_whole(run: Run, folder: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids"
    ids.write_text(f"{STRANGER}\n\nnonsense\n")
    refused = run("forget", "--file", ids)
    assert refused.status == 2
    assert "line 3: 'nonsense'" in refused.err
    assert not folder.exists()
    ids.write_text(f"{STRANGER}\n{uuid.UUID(int=2)}\n{STRANGER}\n")
    assert "Noted 2 users" in run("forget", "--file", ids).out
    assert run("forget").status == 2
    assert run("forget", "nonsense").status == 2


def test_a_folder_that_cannot_be_written_is_named(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_text("not a folder")
    result = run("forget", STRANGER)
    assert result.status == 1
    assert str(folder) in result.err
    assert result.out == ""
    monkeypatch.setenv("MODEL_PATH", "/proc/nowhere")
    assert "/proc/nowhere" in run("forget", STRANGER).err


@pytest.mark.usefixtures("trained")
def test_a_list_that_cannot_be_read_stops_trainings_and_the_command(
    run: Run, folder: Path, users: list[str]
) -> None:
    run("forget", users[0])
    versions = versions_in(folder)
    (folder / FILE).write_text("{")
    for command in (("train", "neighbours"), ("forget", users[1])):
        result = run(*command)
        assert result.status == 1
        assert FILE in result.err
    assert versions_in(folder) == versions


@pytest.mark.usefixtures("trained")
def test_without_databases_models_with_users_are_rewritten_and_others_removed(
    run: Run, folder: Path, users: list[str], outage: Outage
) -> None:
    counted = users_of(folder, "neighbours")
    outage.stop(ENGAGEMENT)
    result = run("forget", users[0])
    assert result.status == 3
    assert traces(folder, users[0]) == []
    version = str(artifact.current_version(folder, "neighbours"))
    assert f"neighbours {version} uses its earlier data without theirs" in result.out
    assert users_of(folder, "neighbours") == counted - 1
    assert artifact.current_version(folder, "ease") is None
    assert "ease is removed until it is trained again" in result.out
    assert [path.name for path in (folder / "ease").iterdir()] == [".lock"]


@pytest.mark.usefixtures("trained")
def test_a_rewritten_model_answers_as_one_that_is_trained_without_the_user(
    run: Run, folder: Path, users: list[str], outage: Outage
) -> None:
    rewritten, fitted = folder.parent / "rewritten", folder
    shutil.copytree(folder, rewritten, symlinks=True)
    assert run("forget", users[0]).status == 0
    outage.stop(ENGAGEMENT)
    os.environ["MODEL_PATH"] = str(rewritten)
    assert run("forget", users[0]).status == 3
    outage.start(ENGAGEMENT)
    arrays = [
        {path.name: path.read_bytes() for path in (home / "neighbours" / "current").resolve().glob("*.npy")}
        for home in (rewritten, fitted)
    ]
    assert arrays[0] == arrays[1]


@pytest.mark.usefixtures("trained")
def test_databases_that_lost_most_rows_are_trained_on_only_if_accepted(
    run: Run, databases: Urls, users: list[str]
) -> None:
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("DELETE FROM interaction WHERE user_id <> %s::uuid AND id %% 5 <> 0", [users[0]])
    result = run("forget", users[0])
    assert result.status == 3
    assert "fewer" in result.out
    run("train", "neighbours", "--accept-shrinkage")
    assert run("forget", users[1], "--accept-shrinkage").status == 0


@pytest.mark.parametrize("killed_at", ["publish", "rename", "unlink"])
@pytest.mark.usefixtures("trained")
def test_an_interrupted_run_is_completed_by_the_next(
    run: Run, folder: Path, users: list[str], killed_at: str
) -> None:
    places = {
        "publish": "recommender.model_store.publishing.Publisher.publish",
        "rename": "pathlib.Path.rename",
        "unlink": "recommender.model_store.publishing.Publisher.remove",
    }
    module, _, name = places[killed_at].rpartition(".")
    script = (
        "import os, pydoc, signal\n"
        "from recommender.cli.main import main\n"
        "def kill(*_, **__): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"setattr(pydoc.locate({module!r}), {name!r}, kill)\n"
        f"main(['forget', {users[0]!r}])\n"
    )
    killed = run_forked(["-c", script], os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert traces(folder, users[0]), "there was something left to do"
    assert run("forget", users[0]).status == 0
    assert traces(folder, users[0]) == []
    assert not list(folder.glob("*/.*.partial"))


@pytest.mark.usefixtures("trained")
def test_the_next_answer_of_every_worker_has_no_trace(
    run: Run, databases: Urls, folder: Path, users: list[str]
) -> None:
    forgotten, *others = users
    with running_gunicorn(databases, MODEL_PATH=str(folder), MODEL="neighbours", **NO_CAPS) as server:
        path = f"/api/recommendations/{others[0]}?explain=true&limit=50"
        former = str(artifact.current_version(folder, "neighbours"))
        assert eventually(lambda: server.get(path).body["model_version"] == former, _PATIENCE_S)
        delete_rows(databases, forgotten)
        assert run("forget", forgotten).status == 0
        version = str(artifact.current_version(folder, "neighbours"))
        for _ in range(50):
            assert server.get(path).body["model_version"] in {None, version}
        assert eventually(lambda: server.get(path).body["model_version"] == version, _PATIENCE_S)


def test_live_sql_ignores_the_user_though_the_rows_exist(
    run: Run, databases: Urls, folder: Path, users: list[str]
) -> None:
    forgotten, *others = users
    with running_client(databases, MODEL_PATH=str(folder), **NO_CAPS, **PATIENT) as client:
        # The catalog index, and so popularity, does not change.
        def answers() -> list[Any]:
            body = {"user_ids": others[:40], "limit": 100, "explain": True}
            found = client.post("/api/recommendations/batch", json=body).get_json()["results"]
            assert {answer["model"] for answer in found.values()} == {"live"}
            return list(found.values())

        before = answers()
        assert run("forget", forgotten).status == 0
        after = answers()
        (folder / FILE).unlink()
        assert answers() == before
        delete_rows(databases, forgotten)
        assert after == answers()
        assert after != before


@pytest.mark.usefixtures("trained")
def test_a_user_who_is_forgotten_is_answered_by_their_own_rows(
    run: Run, databases: Urls, folder: Path, users: list[str]
) -> None:
    run("forget", users[0])
    with running_client(databases, MODEL_PATH=str(folder), MODEL="neighbours", **PATIENT) as client:
        client.application.extensions["container"].wait_for_model(_PATIENCE_S)
        answer = get(client, users[0])
    assert answer["model"] == "neighbours"
    assert answer["strategy"] in {"hybrid", "collaborative"}
