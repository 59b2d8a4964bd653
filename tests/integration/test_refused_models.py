"""If a model is invalid, the old one or live SQL answers, and /ready reports it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray

from recommender.entities import DatabaseName
from recommender.model_store import watcher
from recommender.models.files import map_arrays
from recommender.models.user_knn.build import ARRAY_NAMES
from tests.support.clients import NO_CAPS, PATIENT, get, running_client
from tests.support.gunicorn import sum_of
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.training import (
    NAME,
    answers_with,
    change_arrays,
    copy_version,
    make_current,
    train_on,
    versions_in,
)
from tests.support.waiting import wait_until

_, CATALOG, ENGAGEMENT = DatabaseName

Change = Callable[[Mapping[str, NDArray[Any]]], NDArray[Any]]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let services look for a new model ten times a second, as each test waits for several."""
    monkeypatch.setattr(watcher, "_POLL_S", 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def client(databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """Start the service with a valid model. It tolerates lost interactions."""
    version = train_on(databases, folder, monkeypatch)
    with running_client(databases, MODEL_PATH=str(folder), CATALOG_MAX_LOSS="1", **NO_CAPS) as client:
        wait_until(lambda: answers_with(client, Reference(databases).users[0], version))
        yield client


def ready_model(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/ready")
    assert (response.status_code, response.get_json()["status"]) == (200, "ready")
    model: dict[str, Any] = response.get_json()["model"]
    return model


def reason(client: FlaskClient, version: str) -> str:
    """Return why a version is refused, once it is."""
    wait_until(lambda: ready_model(client).get("refused", {}).get("version") == version)
    said: str = ready_model(client)["refused"]["reason"]
    return said


def put(name: str, place: Any, value: Any) -> Change:
    def change(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        changed = np.array(arrays[name])
        changed[place] = value
        return changed

    return change


# Arrays that made kernels access foreign memory, or made answers wrong.
WRONG: list[tuple[str, Change]] = [
    ("media_of_user", put("media_of_user", slice(None), 2**31 - 1)),
    ("users_of_media", put("users_of_media", slice(None), -(2**31))),
    ("user_start", put("user_start", slice(1, -1), 10**14)),
    ("media_start", put("media_start", slice(1, None), 10**14)),
    ("bits_row", put("bits_row", slice(None), 10**8)),
    ("user_bits", lambda arrays: ~arrays["user_bits"]),
    ("values", put("values", slice(None), np.nan)),
    ("inverse_norms", lambda arrays: arrays["inverse_norms"][:1]),
    ("user_ids", lambda arrays: arrays["user_ids"][::-1]),
]


def test_wrong_contents_with_right_checksums_crash_nothing(
    client: FlaskClient, databases: Urls, folder: Path
) -> None:
    users = [user for user, items in Reference(databases).positive.items() if items][:5]
    before = [get(client, user) for user in users]
    (version,) = versions_in(folder)
    arrays = map_arrays(folder / NAME / version, ARRAY_NAMES)
    for day, (name, change) in enumerate(WRONG, start=1):
        wrong = f"209901{day:02}T000000.000000Z"
        change_arrays(copy_version(folder, version, wrong), {name: change(arrays)})
        make_current(folder, wrong)
        assert name in reason(client, wrong)
        model = ready_model(client)
        assert (model["name"], model["version"]) == ("neighbours", version)
        assert [get(client, user) for user in users] == before
    make_current(folder, version)
    wait_until(lambda: ready_model(client) == {"name": "neighbours", "version": version})


def test_an_empty_model_does_not_replace_a_good_one(
    client: FlaskClient, databases: Urls, folder: Path
) -> None:
    (version,) = versions_in(folder)
    arrays = map_arrays(folder / NAME / version, ARRAY_NAMES)
    empty = "20990101T000000.000000Z"
    change_arrays(
        copy_version(folder, version, empty),
        {name: np.zeros(1, np.int64) if "start" in name else arrays[name][:0] for name in ARRAY_NAMES},
    )
    make_current(folder, empty)
    assert reason(client, empty) == "there are no users in it"
    assert answers_with(client, Reference(databases).users[0], version)


def test_without_a_good_model_live_sql_answers(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = train_on(databases, folder, monkeypatch)
    (folder / NAME / version / "values.npy").unlink()
    with running_client(databases, MODEL_PATH=str(folder), **NO_CAPS) as client:
        assert reason(client, version) == "values.npy cannot be read: No such file or directory"
        assert ready_model(client)["name"] == "live"
        assert get(client, next(iter(Reference(databases).positive)))["model"] == "live"


def test_metrics_tell_refused_models_from_missing_ones(
    databases: Urls, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = train_on(databases, folder, monkeypatch)
    experiments = tmp_path / "experiments.toml"
    experiments.write_text('[ranker.variants.items]\nshare = 0.5\nmodel = "item_knn"\n')
    with running_client(
        databases, MODEL_PATH=str(folder), EXPERIMENTS_PATH=str(experiments), **NO_CAPS
    ) as client:

        def workers(metric: str, model: str) -> float:
            return sum_of(client.get("/metrics").text, metric, {"model": model})

        wait_until(lambda: ready_model(client)["version"] == version)
        wait_until(lambda: workers("marquee_model_missing", "item_knn") == 1)
        assert workers("marquee_model_refused", "item_knn") == 0
        assert workers("marquee_model_refused", "auto") == workers("marquee_model_missing", "auto") == 0
        make_current(folder, "20990101T000000.000000Z")
        wait_until(lambda: workers("marquee_model_refused", "auto") == 1)
        assert workers("marquee_model_missing", "auto") == 0


def test_a_model_that_arrives_late_is_used(client: FlaskClient, databases: Urls, folder: Path) -> None:
    (version,) = versions_in(folder)
    late = "20990101T000000.000000Z"
    make_current(folder, late)
    assert reason(client, late) == "current names a version that is not there"
    copy_version(folder, version, late)
    wait_until(lambda: ready_model(client) == {"name": "neighbours", "version": late})
    assert answers_with(client, Reference(databases).users[0], late)


def test_a_shrunken_model_is_refused_unless_that_was_accepted(
    client: FlaskClient, databases: Urls, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if copied from a host without the former version, where nothing was compared."""
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("DELETE FROM interaction WHERE id % 5 <> 0")
    smaller = train_on(databases, tmp_path / "elsewhere", monkeypatch)
    (tmp_path / "elsewhere" / NAME / smaller).rename(folder / NAME / smaller)
    make_current(folder, smaller)
    assert "than the model in use" in reason(client, smaller)
    accepted = train_on(databases, folder, monkeypatch, "--accept-shrinkage")
    wait_until(lambda: ready_model(client) == {"name": "neighbours", "version": accepted})


def shift_ids(databases: Urls, digits: str) -> None:
    """Give all media other ids, or restore their own."""
    with psycopg.connect(databases[CATALOG]) as connection:
        for table, column in (("medias", "id"), ("tb_media_genre", "media_id")):
            connection.execute(
                f"UPDATE {table} SET {column} = "  # noqa: S608 - the test's own words
                f"translate({column}::text, '0123456789abcdef', '{digits}')::uuid".encode()
            )


def test_a_model_of_other_databases_is_not_used_until_the_catalog_matches(
    databases: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = train_on(databases, folder, monkeypatch)
    shift_ids(databases, "123456789abcdef0")
    user = next(iter(Reference(databases).positive))
    with running_client(
        databases, MODEL_PATH=str(folder), CATALOG_REFRESH_SECONDS="1", **NO_CAPS, **PATIENT
    ) as client:
        assert "was it trained on other databases?" in reason(client, version)
        assert ready_model(client)["name"] == "live"
        assert get(client, user)["model"] == "live"
        shift_ids(databases, "f0123456789abcde")
        wait_until(lambda: answers_with(client, user, version))
        assert ready_model(client) == {"name": "neighbours", "version": version}
