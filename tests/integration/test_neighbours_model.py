"""The neighbours model is exact, published atomically, swapped in under load, and rejected when broken."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.entities import DatabaseName, Options, Page
from recommender.model_store import artifact, watcher
from recommender.model_store.publishing import publishing
from recommender.models.files import map_arrays
from recommender.models.user_knn.build import ARRAY_NAMES
from recommender.models.user_knn.trained import UserKnn
from recommender.training.train import BY_COMMAND
from tests.support.agreement import assert_agrees
from tests.support.clients import (
    NO_CAPS,
    PATIENT,
    get,
    ids,
    post_batch,
    running_app,
    running_client,
    whole_ranking,
)
from tests.support.commands import runner
from tests.support.datasets import dataset
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference
from tests.support.training import NAME, answers_with, change_metadata, copy_version, make_current, train_on
from tests.support.waiting import wait_until

USER, CATALOG, ENGAGEMENT = DatabaseName


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let services look for a new model ten times a second, as each test waits for several."""
    monkeypatch.setattr(watcher, "_POLL_S", 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture(scope="module")
def store(shared_databases: Urls, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a model on the tests' initial data. No test changes its folder."""
    folder = tmp_path_factory.mktemp("store") / "models"
    with pytest.MonkeyPatch.context() as patch:
        train_on(shared_databases, folder, patch)
    return folder


@pytest.fixture
def version(store: Path, folder: Path) -> str:
    """Copy the model to the test's own folder, and return its version."""
    shutil.copytree(store, folder, symlinks=True)
    return str(artifact.current_version(folder, NAME))


@contextmanager
def answering(urls: Urls, folder: Path, **more: str) -> Iterator[FlaskClient]:
    version = artifact.current_version(folder, NAME)
    # Every ranking fits on one page.
    variables = {"MODEL_PATH": str(folder), "MAX_LIMIT": "200", **NO_CAPS, **PATIENT, **more}
    with running_client(urls, **variables) as client:
        wait_until(lambda: answers_with(client, Reference(urls).users[0], version))
        yield client


@pytest.fixture(scope="module")
def model_client(shared_databases: Urls, store: Path) -> Iterator[FlaskClient]:
    """Return a client for tests that change neither databases nor models."""
    with answering(shared_databases, store) as client:
        yield client


@pytest.fixture
def client_with_model(databases: Urls, store: Path) -> Iterator[FlaskClient]:
    """Return a client on databases that the test may change."""
    with answering(databases, store) as client:
        yield client


def test_every_ranking_agrees_with_the_definition(model_client: FlaskClient, reference: Reference) -> None:
    # More than fit into one answer.
    for users in (reference.users[::2], reference.users[1::2]):
        answers = post_batch(model_client, users, limit=200)["results"]
        assert list(answers) == users
        for user, answer in answers.items():
            assert answer["model"] == "neighbours"
            assert_agrees(answer["recommendations"], reference.rank(user))
        for user in users[::20]:
            assert whole_ranking(model_client, user) == answers[user]["recommendations"]


def test_a_command_waits_for_the_model_that_is_published(
    shared_databases: Urls,
    reference: Reference,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = runner(shared_databases, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(store))
    version = artifact.current_version(store, NAME)
    assert f"Scored by the model neighbours {version}." in run("recommend", reference.users[0]).out


def test_live_and_model_agree(client: FlaskClient, model_client: FlaskClient, reference: Reference) -> None:
    users = reference.users
    live = post_batch(client, users, limit=20)["results"]
    model = post_batch(model_client, users, limit=20)["results"]
    for user in users:
        assert (live[user]["model"], live[user]["model_version"]) == ("live", None)
        assert model[user]["model"] == "neighbours"
        assert model[user]["recommendations"] == live[user]["recommendations"]
        assert model[user]["strategy"] == live[user]["strategy"]


def test_batch_equals_single(model_client: FlaskClient, reference: Reference) -> None:
    users = reference.users[:120]
    batch = post_batch(model_client, users)["results"]
    assert list(batch) == users
    for user in users[::5]:
        single = get(model_client, user)
        assert {key: single[key] for key in batch[user]} == batch[user]


def test_a_like_made_just_now_changes_the_next_answer(
    client_with_model: FlaskClient, databases: Urls
) -> None:
    newcomer = "22222222-2222-4222-8222-222222222222"
    assert get(client_with_model, newcomer)["strategy"] == "popular"
    liked = Reference(databases).rank(newcomer)[3].item_id
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute(
            "INSERT INTO interaction VALUES (10000000, %s, %s, 'LIKE', 2.0, now() AT TIME ZONE 'UTC')",
            (newcomer, liked),
        )
    answer = get(client_with_model, newcomer)
    assert (answer["strategy"], answer["model"]) == ("collaborative", "neighbours")
    assert liked not in ids(answer)


def test_items_and_users_newer_than_the_artifact_work(
    client_with_model: FlaskClient, databases: Urls
) -> None:
    newcomer, new_item = (f"33333333-3333-4333-8333-33333333333{n}" for n in (1, 2))
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("INSERT INTO medias (id, title) VALUES (%s, 'Brand new')", (new_item,))
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute(
            "INSERT INTO interaction VALUES (10000000, %s, %s, 'LIKE', 2.0, now() AT TIME ZONE 'UTC')",
            (newcomer, new_item),
        )
    answer = get(client_with_model, newcomer)
    assert (answer["strategy"], answer["degraded"], answer["count"]) == ("popular", [], 10)
    assert new_item not in ids(answer)


def test_without_engagement_db_the_model_does_not_score(databases: Urls, store: Path, outage: Outage) -> None:
    user = next(user for user, genres in Reference(databases).genres_of_user.items() if genres)
    # Requests wait so long for a database that is down.
    with answering(databases, store, POOL_TIMEOUT_MS="1000") as client:
        get(client, user)
        outage.stop(ENGAGEMENT)
        answer = get(client, user)
    assert (answer["strategy"], answer["degraded"]) == ("content", ["engagement_db"])


def test_a_new_artifact_is_picked_up_without_dropping_or_mixing_a_request(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = Reference(databases).users[:30]
    with running_client(databases, MODEL_PATH=str(folder), **NO_CAPS, **PATIENT) as client:
        assert answers_with(client, users[0], None)
        seen: set[tuple[str, ...]] = set()
        failures: list[object] = []
        stop = threading.Event()

        def ask() -> None:
            own = client.application.test_client()
            while not stop.is_set():
                response = own.post("/api/recommendations/batch", json={"user_ids": users, "limit": 3})
                results = response.get_json().get("results", {})
                versions = {str(result["model_version"]) for result in results.values()}
                if response.status_code != 200 or len(versions) != 1 or len(results) != len(users):
                    failures.append((response.status_code, versions))
                seen.add(tuple(versions))
                stop.wait(0.01)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        versions = []
        for _ in range(3):
            version = train_on(databases, folder, monkeypatch)
            wait_until(partial(answers_with, client, users[0], version))
            versions.append(version)
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert {("None",), *((version,) for version in versions)} >= seen
    assert len(seen) >= 2
    kept = [path.name for path in (folder / NAME).iterdir() if not path.name.startswith((".", "current"))]
    assert sorted(kept) == versions


def _truncate(version: Path) -> None:
    path = version / "values.npy"
    path.write_bytes(path.read_bytes()[:-8])


def _flip_a_bit(version: Path) -> None:
    path = version / "users_of_media.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _pickle_an_array(version: Path) -> None:
    np.save(version / "inverse_norms.npy", np.array([{}], dtype=object), allow_pickle=True)


def _change_the_format(version: Path) -> None:
    change_metadata(version, format=99)


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _flip_a_bit,
        _pickle_an_array,
        _change_the_format,
        lambda version: (version / "idf_weights.npy").unlink(),
        lambda version: (version / "metadata.json").write_text("{"),
        shutil.rmtree,
    ],
)
@pytest.mark.usefixtures("version")
def test_a_broken_artifact_is_refused_and_the_old_one_stays(
    damage: Callable[[Path], None],
    shared_databases: Urls,
    reference: Reference,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with answering(shared_databases, folder) as client:
        before = get(client, reference.users[0])
        broken = copy_version(folder, str(before["model_version"]), "99990101T000000.000000Z")
        damage(broken)
        make_current(folder, broken.name)
        wait_until(lambda: f"model neighbours {broken.name} refused, neighbours stays" in caplog.text)
        assert get(client, reference.users[0]) == before


def test_an_artifact_half_written_is_never_current(
    folder: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "save", full)
    data = dataset({"u": ["i"]})
    model = UserKnn()
    model.fit(data)
    with publishing(folder, NAME) as publisher, pytest.raises(OSError, match="No space left"):
        publisher.publish(model, data, BY_COMMAND)
    assert artifact.current_version(folder, NAME) == version
    assert not [path for path in (folder / NAME).iterdir() if path.name.endswith(".partial")]


def test_the_metadata_says_when_and_from_what(reference: Reference, store: Path) -> None:
    version = str(artifact.current_version(store, NAME))
    metadata = artifact.read_metadata(store, NAME, version)
    arrays = map_arrays(store / NAME / version, ARRAY_NAMES)
    assert metadata.counts == {
        "users": len(reference.positive),
        "media": len(reference.popularity),
        "pairs": reference.popularity.total(),
        "known_media": len(reference.popularity),
    }
    assert set(metadata.checksums) == {*ARRAY_NAMES, "config.json"}
    assert metadata.built_at.startswith(version[:4])
    assert all(isinstance(array, np.memmap) for array in arrays.values())
    assert not any(array.flags.writeable for array in arrays.values())


def test_another_window_than_the_models_is_answered_by_live_sql(
    model_client: FlaskClient, shared_databases: Urls, reference: Reference
) -> None:
    users = reference.users[:60]
    options = Options(window_days=7)
    answered = model_client.application.extensions["container"].service.recommend(users, Page(10), options)
    with running_app(shared_databases, **NO_CAPS, **PATIENT) as app:
        app.extensions["container"].open()
        app.extensions["container"].wait_for_catalog(10)
        live = list(app.extensions["container"].service.recommend(users, Page(10), options))
    for by_model, by_live in zip(answered, live, strict=True):
        assert by_model.model == "live"
        assert by_model == by_live
