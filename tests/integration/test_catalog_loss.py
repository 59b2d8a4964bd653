"""Catalogs that are emptied, halved, swapped and refilled while the service runs."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.catalog import load_schedule
from recommender.databases.queries import SQL_ROOT
from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, PATIENT, get, ids, running_client
from tests.support.gunicorn import sum_of
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually

USER, CATALOG, ENGAGEMENT = DatabaseName
NEW_USER = "11111111-1111-4111-8111-111111111111"
# Time until restored rows count: a check every half second here, plus time for a slow machine.
_SECONDS = 8.0
_LOOK_S = 0.5
_LOSS_SECONDS = 3.0


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a catalog load that is held back more often than every two seconds."""
    monkeypatch.setattr(load_schedule, "RETRY_S", _LOOK_S)


@pytest.fixture
def live(databases: Urls) -> Iterator[FlaskClient]:
    with running_client(databases, **NO_CAPS) as client:
        yield client


def change(urls: Urls, name: DatabaseName, *statements: str, **values: object) -> None:
    with psycopg.connect(urls[name]) as connection:
        for statement in statements:
            connection.execute(statement.encode(), values or None)


def catalog(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/ready").get_json()["catalogue"]
    return found


def reason(client: FlaskClient) -> str | None:
    held_back = catalog(client)["held_back"]
    return None if held_back is None else str(held_back["reason"])


def ready(client: FlaskClient) -> str:
    return str(client.get("/ready").get_json()["status"])


def status_of(client: FlaskClient, user: str) -> tuple[int, tuple[str, ...], int]:
    """Return status, degraded databases and number of media; the last two are empty for an error."""
    response = client.get(f"/api/recommendations/{user}")
    body = response.get_json()
    return response.status_code, tuple(body.get("degraded", ())), body.get("count", 0)


EMPTIED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "truncated": (
        ("CREATE TABLE kept AS SELECT * FROM medias", "TRUNCATE medias"),
        ("INSERT INTO medias SELECT * FROM kept",),
    ),
    "soft-deleted": (
        ("ALTER TABLE medias ADD was timestamp", "UPDATE medias SET was = deleted_at, deleted_at = now()"),
        ("UPDATE medias SET deleted_at = was",),
    ),
    "swapped": (
        ("ALTER TABLE medias RENAME TO kept", "CREATE TABLE medias (LIKE kept INCLUDING ALL)"),
        ("DROP TABLE medias", "ALTER TABLE kept RENAME TO medias"),
    ),
}


@pytest.mark.parametrize("how", EMPTIED)
def test_an_emptied_catalog_is_answered_from_the_cache_until_it_is_back(
    live: FlaskClient, databases: Urls, how: str
) -> None:
    emptied, filled = EMPTIED[how]
    user = Reference(databases).users[0]
    before, item_count = get(live, user), catalog(live)["media"]
    change(databases, CATALOG, *emptied)
    for _ in range(8):
        answer = get(live, user)
        assert (ids(answer), answer["degraded"]) == (ids(before), ["catalog_db"])
        # Together longer than two checks.
        time.sleep(_LOOK_S / 3)
    assert ready(live) == "degraded"
    assert reason(live) == "empty"
    assert catalog(live)["held_back"]["media"] == 0
    assert 0 <= catalog(live)["held_back"]["since_seconds"] < 8
    assert catalog(live)["media"] == item_count
    change(databases, CATALOG, *filled)
    assert get(live, user) == before
    assert eventually(lambda: ready(live) == "ready", _SECONDS)
    assert catalog(live)["held_back"] is None


def test_an_emptied_catalog_with_nothing_cached_is_503_and_never_an_empty_list(
    live: FlaskClient, databases: Urls
) -> None:
    user = Reference(databases).users[0]
    assert get(live, user, offset=2_000_000)["count"] == 0
    change(databases, CATALOG, "CREATE TABLE kept AS SELECT * FROM medias", "TRUNCATE medias")
    assert status_of(live, user)[0] == 503
    change(databases, CATALOG, "INSERT INTO medias SELECT * FROM kept")
    assert status_of(live, user) == (200, (), 10)


def test_a_service_that_starts_with_an_empty_catalog_says_so(databases: Urls) -> None:
    change(databases, CATALOG, "CREATE TABLE kept AS SELECT * FROM medias", "TRUNCATE medias")
    with running_client(databases, CATALOG_REFRESH_SECONDS="1", **NO_CAPS) as client:
        assert eventually(lambda: "held_back" in client.get("/ready").get_json(), _SECONDS)
        response = client.get("/ready")
        said = response.get_json()
        assert (response.status_code, said["status"], said["catalogue"]) == (503, "unavailable", None)
        assert (said["held_back"]["media"], said["held_back"]["reason"]) == (0, "empty")
        assert sum_of(client.get("/metrics").text, "marquee_catalogue_held_back", {}) == 1
        change(databases, CATALOG, "INSERT INTO medias SELECT * FROM kept")
        assert eventually(lambda: ready(client) == "ready", _SECONDS)
        assert "held_back" not in client.get("/ready").get_json()
        assert sum_of(client.get("/metrics").text, "marquee_catalogue_held_back", {}) == 0


def test_a_worker_with_nothing_cached_is_unavailable_while_the_catalog_is_empty(databases: Urls) -> None:
    # As a worker that has just been started: it has an index, and has shown nothing.
    with running_client(databases, CATALOG_REFRESH_SECONDS="1", **NO_CAPS) as client:
        change(databases, CATALOG, "CREATE TABLE kept AS SELECT * FROM medias", "TRUNCATE medias")
        assert eventually(lambda: reason(client) == "empty", _SECONDS)
        assert status_of(client, NEW_USER)[0] == 503
        assert (client.get("/ready").status_code, ready(client)) == (503, "unavailable")
        change(databases, CATALOG, "INSERT INTO medias SELECT * FROM kept")
        assert eventually(lambda: ready(client) == "ready", _SECONDS)


def test_a_catalog_that_a_request_finds_empty_is_loaded_again_soon(
    live: FlaskClient, databases: Urls
) -> None:
    assert eventually(lambda: not get(live, NEW_USER)["degraded"])
    # The counts are settled, so that the next load is minutes away.
    assert eventually(lambda: catalog(live)["age_seconds"] > 4 * _LOOK_S)
    change(databases, CATALOG, "CREATE TABLE kept AS SELECT * FROM medias", "TRUNCATE medias")
    assert "catalog_db" in get(live, NEW_USER)["degraded"]
    assert eventually(lambda: reason(live) == "empty", _SECONDS)


def test_a_catalog_refilled_in_parts_is_never_used_in_part(live: FlaskClient, databases: Urls) -> None:
    user = Reference(databases).users[0]
    before = get(live, user, limit=30)
    item_count = catalog(live)["media"]
    change(databases, CATALOG, "CREATE TABLE kept AS SELECT * FROM medias", "TRUNCATE medias")
    get(live, user)
    for part in range(5):
        change(
            databases,
            CATALOG,
            "INSERT INTO medias SELECT * FROM kept WHERE mod(abs(hashtext(id::text)), 5) = %(part)s",
            part=part,
        )
        answer = get(live, user)
        assert answer["count"] == 10
        assert catalog(live)["media"] >= 0.8 * item_count
        time.sleep(_LOOK_S)
    assert eventually(lambda: get(live, user, limit=30) == before, _SECONDS)
    assert eventually(lambda: ready(live) == "ready", _SECONDS)


def test_half_a_catalog_is_held_back_and_pages_are_full(
    live: FlaskClient, databases: Urls, caplog: pytest.LogCaptureFixture
) -> None:
    user = Reference(databases).users[0]
    before, item_count = get(live, user, limit=30), catalog(live)["media"]
    change(
        databases,
        CATALOG,
        "CREATE TABLE kept AS SELECT * FROM medias WHERE id::text < '8'",
        "DELETE FROM medias WHERE id::text < '8'",
    )
    expected = [scored.item_id for scored in Reference(databases).rank(user)]
    assert ids(get(live, user, limit=30)) == expected[:30]
    assert eventually(lambda: reason(live) == "fewer_media", _SECONDS)
    assert (ready(live), catalog(live)["media"]) == ("degraded", item_count)
    left = catalog(live)["held_back"]["media"]
    assert f"a load with {left} media is held back (fewer_media)" in caplog.text
    assert ids(get(live, user, limit=30)) == expected[:30]
    change(databases, CATALOG, "INSERT INTO medias SELECT * FROM kept")
    assert eventually(lambda: get(live, user, limit=30) == before, _SECONDS)
    assert eventually(lambda: ready(live) == "ready", _SECONDS)


def test_a_lasting_loss_is_accepted(databases: Urls) -> None:
    with running_client(databases, CATALOG_LOSS_SECONDS=str(int(_LOSS_SECONDS)), **NO_CAPS) as client:
        get(client, NEW_USER)
        change(databases, CATALOG, "DELETE FROM medias WHERE id::text < 'c'")
        get(client, NEW_USER, limit=50)
        left = len(Reference(databases).catalog)
        assert eventually(lambda: reason(client) == "fewer_media", _SECONDS)
        assert eventually(lambda: catalog(client)["media"] == left, _LOSS_SECONDS + _SECONDS)
        assert ready(client) == "ready"


def test_an_empty_catalog_never_replaces_a_filled_one(databases: Urls) -> None:
    variables = {"CATALOG_LOSS_SECONDS": "1", "CATALOG_REFRESH_SECONDS": "1"}
    with running_client(databases, **variables, **NO_CAPS) as client:
        before = get(client, NEW_USER)
        change(databases, CATALOG, "DELETE FROM medias")
        get(client, NEW_USER)
        assert eventually(lambda: reason(client) == "empty", _SECONDS)
        # Twice the time after which a loss is accepted.
        time.sleep(2.5)
        answer = get(client, NEW_USER)
        assert (ids(answer), answer["degraded"]) == (ids(before), ["catalog_db"])


def test_genres_stay_in_use_while_they_are_reloaded(databases: Urls) -> None:
    with running_client(databases, CATALOG_REFRESH_SECONDS="1", **NO_CAPS) as client:
        user = next(user for user, genres in Reference(databases).genres_of_user.items() if genres)
        before = get(client, user)
        change(
            databases, CATALOG, "CREATE TABLE kept AS SELECT * FROM tb_media_genre", "TRUNCATE tb_media_genre"
        )
        assert eventually(lambda: reason(client) == "fewer_genres", _SECONDS)
        assert ids(get(client, user)) == ids(before)
        change(databases, CATALOG, "INSERT INTO tb_media_genre SELECT * FROM kept")
        assert eventually(lambda: ready(client) == "ready", _SECONDS)
        assert get(client, user) == before


def test_popularity_stays_while_interactions_are_reloaded(databases: Urls) -> None:
    with running_client(databases, CATALOG_REFRESH_SECONDS="1", **NO_CAPS) as client:
        before = get(client, NEW_USER, limit=30)
        change(
            databases, ENGAGEMENT, "CREATE TABLE kept AS SELECT * FROM interaction", "TRUNCATE interaction"
        )
        assert eventually(lambda: reason(client) == "fewer_interactions", _SECONDS)
        assert ready(client) == "degraded"
        assert get(client, NEW_USER, limit=30) == before
        change(databases, CATALOG, "INSERT INTO medias (id, title) VALUES (gen_random_uuid(), 'New')")
        item_count = len(Reference(databases).catalog)
        assert eventually(lambda: catalog(client)["media"] == item_count, _SECONDS), "media are not held back"
        change(databases, ENGAGEMENT, "INSERT INTO interaction SELECT * FROM kept")
        assert eventually(lambda: ready(client) == "ready", _SECONDS)
        assert ids(get(client, NEW_USER, limit=30)) == ids(before)


def test_a_start_with_an_empty_catalog_is_unavailable_until_there_are_items(databases: Urls) -> None:
    change(databases, CATALOG, "CREATE TABLE kept AS SELECT * FROM medias", "TRUNCATE medias")
    with running_client(databases, **NO_CAPS) as client:
        response = client.get(f"/api/recommendations/{NEW_USER}")
        assert (response.status_code, response.get_json()["code"]) == (503, "service_unavailable")
        assert (client.get("/ready").status_code, ready(client)) == (503, "unavailable")
        change(databases, CATALOG, "INSERT INTO medias SELECT * FROM kept")
        assert eventually(lambda: status_of(client, NEW_USER) == (200, (), 10), _SECONDS)
        assert eventually(lambda: ready(client) == "ready", _SECONDS)


def test_a_catalog_that_is_filled_after_the_start_is_used_within_seconds(databases: Urls) -> None:
    change(
        databases,
        CATALOG,
        "CREATE TABLE kept AS SELECT * FROM medias WHERE id::text < 'a'",
        "DELETE FROM medias WHERE id::text < 'a'",
    )
    with running_client(databases, **NO_CAPS) as client:
        get(client, NEW_USER)
        change(databases, CATALOG, "INSERT INTO medias SELECT * FROM kept")
        item_count = len(Reference(databases).catalog)
        assert eventually(lambda: catalog(client)["media"] == item_count, _SECONDS)


def popular(client: FlaskClient) -> list[str]:
    return [item["id"] for item in client.get("/api/media/popular?limit=20").get_json()["media"]]


def recommended(client: FlaskClient) -> list[str]:
    return ids(get(client, NEW_USER, limit=20))


@pytest.mark.parametrize("ask", [popular, recommended])
def test_after_a_mass_deletion_pages_are_full_while_anything_is_left(
    databases: Urls, ask: Callable[[FlaskClient], list[str]]
) -> None:
    # So many that a page and its spare items are all deleted.
    change(
        databases,
        CATALOG,
        "INSERT INTO medias (id, title) SELECT gen_random_uuid(), 'M' FROM generate_series(1, 5000)",
    )
    with running_client(databases, **NO_CAPS) as client:
        assert len(ask(client)) == 20
        ranked = _by_popularity(Reference(databases))
        left = ranked[4500:]
        with psycopg.connect(databases[CATALOG]) as connection:
            connection.execute("DELETE FROM medias WHERE id = ANY(%s::uuid[])", (ranked[:4500],))
        with recorded_statements() as statements:
            assert ask(client) == left[:20]
        assert [run.name for run in statements if run.name.startswith("catalog_db")] == [
            "catalog_db.fetch_media",
            "catalog_db.fetch_media",
            "catalog_db.fetch_existing_keys",
            "catalog_db.fetch_media",
        ]
        with recorded_statements() as statements:
            assert ask(client) == left[:20]
        assert [run.name for run in statements if run.name.startswith("catalog_db")] == [
            "catalog_db.fetch_media"
        ], "what is gone is remembered"
        # The index is the same, as its next load is held back. What exists must be read anew.
        with psycopg.connect(databases[CATALOG]) as connection:
            connection.execute("DELETE FROM medias WHERE id = ANY(%s::uuid[])", (left[:300],))
        assert ask(client) == left[300:320]


def _by_popularity(reference: Reference) -> list[str]:
    return sorted(reference.catalog, key=lambda item_id: (-reference.popularity[item_id], item_id))


def test_after_a_mass_deletion_every_page_to_the_end_is_full(live: FlaskClient, databases: Urls) -> None:
    ranked = _by_popularity(Reference(databases))
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("DELETE FROM medias WHERE id = ANY(%s::uuid[])", (ranked[:-25],))
    pages = [ids(get(live, NEW_USER, offset=offset)) for offset in (0, 10, 20, 30)]
    assert pages == [ranked[-25:-15], ranked[-15:-5], ranked[-5:], []]


def test_a_filter_whose_items_are_all_deleted_is_an_empty_page_and_nothing_is_degraded(
    databases: Urls,
) -> None:
    change(databases, CATALOG, "UPDATE medias SET media_type = 'OTHER'")
    doomed = _by_popularity(Reference(databases))[3]
    change(databases, CATALOG, "UPDATE medias SET media_type = 'DOOMED' WHERE id = %(id)s", id=doomed)
    with running_client(databases, **NO_CAPS) as client:
        assert ids(get(client, NEW_USER, media_type="DOOMED")) == [doomed]
        change(databases, CATALOG, "DELETE FROM medias WHERE id = %(id)s", id=doomed)
        answer = get(client, NEW_USER, media_type="DOOMED")
        assert (answer["count"], answer["degraded"]) == (0, [])


@pytest.mark.parametrize("statement", ["TRUNCATE interaction", "DELETE FROM interaction"])
def test_interactions_deleted_during_the_count_leave_a_consistent_index(
    databases: Urls, tmp_path: Path, statement: str
) -> None:
    """Popularity and the number of users come from one state of the table; otherwise every idf is wrong."""
    user = max(Reference(databases).positive.items(), key=lambda item: len(item[1]))[0]
    text = (SQL_ROOT / ENGAGEMENT / "count_positive_users.sql").read_text()
    # The statement takes a second, as with some millions of rows.
    slow = text.replace(
        "GROUP BY pair.media_id;", "WHERE (SELECT pg_sleep(1)) IS NOT NULL GROUP BY pair.media_id;"
    )
    assert slow != text
    (tmp_path / ENGAGEMENT).mkdir()
    (tmp_path / ENGAGEMENT / "count_positive_users.sql").write_text(slow)
    with running_client(
        databases, SQL_PATH=str(tmp_path), CATALOG_REFRESH_SECONDS="1", **NO_CAPS, **PATIENT
    ) as client:
        assert eventually(lambda: ready(client) == "ready")
        before = get(client, user)
        with psycopg.connect(databases[ENGAGEMENT], autocommit=True) as connection:
            assert eventually(lambda: _is_counting(connection))
            connection.execute("CREATE TABLE kept AS TABLE interaction")
            connection.execute(statement.encode())
        # Longer than a load takes.
        time.sleep(3.0)
        change(databases, ENGAGEMENT, "INSERT INTO interaction TABLE kept")
        after = get(client, user)
    assert (before["strategy"], after["strategy"], after["degraded"]) == ("hybrid", "hybrid", [])
    assert ids(after) == ids(before)


def _is_counting(connection: psycopg.Connection[Any]) -> bool:
    return bool(
        connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
            "AND query LIKE '%AS row_count%' AND pid <> pg_backend_pid()"
        ).fetchall()
    )
