"""GET /ready reports readiness without a database query."""

import itertools
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, get, running_client
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference
from tests.support.training import train_on
from tests.support.waiting import eventually

USER, CATALOG, ENGAGEMENT = DatabaseName
UP = {name.value: "up" for name in DatabaseName}
UNKNOWN_USER = "11111111-1111-4111-8111-111111111111"


def ready(client: FlaskClient) -> tuple[int, dict[str, Any]]:
    response = client.get("/ready")
    return response.status_code, response.get_json()


def says(client: FlaskClient, status: int, word: str, **databases: str) -> bool:
    code, body = ready(client)
    return (code, body["status"], body["databases"]) == (status, word, {**UP, **databases})


@pytest.fixture
def live(databases: Urls) -> Iterator[FlaskClient]:
    with running_client(databases, **NO_CAPS) as client:
        yield client


def test_ready_reports_databases_index_and_model(live: FlaskClient, databases: Urls) -> None:
    assert eventually(lambda: says(live, 200, "ready"))
    body = ready(live)[1]
    age = body["catalogue"].pop("age_seconds")
    assert 0 <= body["catalogue"].pop("popularity_age_seconds") <= age
    assert body["catalogue"].pop("index") == get(live, UNKNOWN_USER)["index"]
    assert 0 <= age < 30
    load = body.pop("load")
    assert set(load) == {"pages", "batches", "streams"}
    for counts in load.values():
        assert (counts["working"], counts["open"], counts["saturated"]) == (0, 0, False)
        assert 1 <= counts["max_working"] <= counts["max_open"]
    assert body == {
        "status": "ready",
        "databases": {"user_db": "up", "catalog_db": "up", "engagement_db": "up"},
        "catalogue": {"media": len(Reference(databases).catalog), "held_back": None},
        "model": {"name": "live", "version": None},
    }


def test_the_age_of_the_catalog_index_grows_until_it_is_loaded_again(databases: Urls) -> None:
    with running_client(databases, CATALOG_REFRESH_SECONDS="1") as client:
        assert eventually(lambda: says(client, 200, "ready"))
        ages = []
        for _ in range(50):
            ages.append(ready(client)[1]["catalogue"]["age_seconds"])
            time.sleep(0.1)
    assert max(ages) >= 0.8
    assert any(after < before for before, after in itertools.pairwise(ages))


def test_ready_names_the_trained_model(
    databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = train_on(databases, tmp_path, monkeypatch)
    with running_client(databases, MODEL_PATH=str(tmp_path)) as client:
        model = {"name": "neighbours", "version": version}
        assert eventually(lambda: ready(client)[1]["model"] == model, 30.0)
        status = client.application.extensions["container"].status.read()
    built = datetime.strptime(f"{version[:-1]}+0000", "%Y%m%dT%H%M%S.%f%z")
    assert 0 < status.model.age_s < time.time() - built.timestamp() + 1


@pytest.mark.parametrize("down", [(USER,), (ENGAGEMENT,), (USER, ENGAGEMENT)], ids="+".join)
def test_with_user_db_or_engagement_db_down_it_is_degraded_until_recovery(
    live: FlaskClient, outage: Outage, down: tuple[DatabaseName, ...]
) -> None:
    assert eventually(lambda: says(live, 200, "ready"))
    outage.stop(*down)
    get(live, UNKNOWN_USER)
    states = {str(name): "down" for name in down}
    assert says(live, 200, "degraded", **states)
    outage.start(*down)
    assert eventually(lambda: says(live, 200, "ready")), "without requests"


def test_without_catalog_db_it_is_degraded_while_details_are_cached(
    live: FlaskClient, outage: Outage
) -> None:
    get(live, UNKNOWN_USER)
    outage.stop(CATALOG)
    get(live, UNKNOWN_USER)
    assert says(live, 200, "degraded", catalog_db="down")


def test_without_catalog_db_and_details_it_is_unavailable_until_it_is_back(
    live: FlaskClient, outage: Outage
) -> None:
    assert eventually(lambda: says(live, 200, "ready"))
    outage.stop(CATALOG)
    assert live.get(f"/api/recommendations/{UNKNOWN_USER}").status_code == 503
    assert says(live, 503, "unavailable", catalog_db="down")
    outage.start(CATALOG)
    assert eventually(lambda: says(live, 200, "ready")), "without requests"


def test_a_database_that_goes_down_between_requests_is_noticed(live: FlaskClient, outage: Outage) -> None:
    assert eventually(lambda: says(live, 200, "ready"))
    outage.stop(USER)
    assert eventually(lambda: says(live, 200, "degraded", user_db="down"))


def test_a_start_with_all_databases_down_is_unavailable_and_reveals_no_secret(
    databases: Urls, outage: Outage
) -> None:
    outage.stop(*DatabaseName)
    with running_client(databases) as client:
        assert says(client, 503, "unavailable", **dict.fromkeys(DatabaseName, "down"))
        body = ready(client)[1]
        assert body["catalogue"] is None
        for name, url in databases.items():
            assert url.rpartition("/")[2] not in client.get("/ready").text, name
        outage.start(*DatabaseName)
        assert eventually(lambda: says(client, 200, "ready"))


def test_until_popularity_is_counted_it_is_degraded(databases: Urls) -> None:
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        with running_client(databases) as client:
            assert eventually(lambda: says(client, 200, "degraded"))
            connection.rollback()
            assert eventually(lambda: says(client, 200, "ready"))


def test_a_slow_database_does_not_make_it_unavailable(databases: Urls, tmp_path: Path) -> None:
    (tmp_path / "user_db").mkdir()
    (tmp_path / "user_db" / "fetch_genre_preferences.sql").write_text(
        "-- name: fetch_genre_preferences(user_ids)\n"
        "SELECT user_id, ARRAY[pg_sleep(0.6)::text] FROM unnest(:user_ids::text[]) AS user_id;\n"
    )
    with running_client(databases, SQL_PATH=str(tmp_path), TIME_BUDGET_MS="4000") as client:
        assert eventually(lambda: says(client, 200, "ready"))
        get(client, UNKNOWN_USER)
        assert says(client, 200, "ready", user_db="slow")


def test_ready_runs_no_statement_and_takes_milliseconds_in_an_outage(
    live: FlaskClient, outage: Outage
) -> None:
    get(live, UNKNOWN_USER)
    outage.stop(*DatabaseName)
    get(live, UNKNOWN_USER)
    times = []
    with recorded_statements() as statements:
        for _ in range(50):
            started = time.perf_counter()
            assert ready(live)[0] == 200
            times.append(time.perf_counter() - started)
    assert statements == []
    assert sorted(times)[len(times) // 2] < 0.01
