"""Popular and similar items: by definition, with filters, and while databases are down."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, PATIENT, get, running_client
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference
from tests.support.training import answers_with, train_on
from tests.support.waiting import wait_until

USER, CATALOG, ENGAGEMENT = DatabaseName
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def ask(client: FlaskClient, path: str, **arguments: Any) -> dict[str, Any]:
    response = client.get(f"/api/media/{path}", query_string=arguments)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def counted(client: FlaskClient, window_days: int, limit: int) -> dict[str, Any]:
    """Popular items of a window, once they have been counted."""
    wait_until(lambda: not ask(client, "popular", window_days=window_days)["counting"])
    return ask(client, "popular", limit=limit, window_days=window_days)


def similar(client: FlaskClient, item_id: str, **arguments: Any) -> dict[str, Any]:
    return ask(client, f"{item_id}/similar", **arguments)


def test_popular_items_agree_with_the_definition(client: FlaskClient, reference: Reference) -> None:
    answer = ask(client, "popular", limit=100)
    ranked = sorted(reference.catalog, key=lambda item_id: (-reference.popularity[item_id], item_id))
    given = [(item["id"], item["user_count"]) for item in answer["media"]]
    assert given == [(item_id, reference.popularity[item_id]) for item_id in ranked[:100]]
    assert list(answer) == [
        "media",
        "count",
        "limit",
        "offset",
        "window_days",
        "counting",
        "degraded",
        "index",
    ]
    assert (answer["count"], answer["limit"], answer["window_days"]) == (100, 100, 90)
    assert ask(client, "popular", limit=5, offset=7)["media"] == answer["media"][7:12]


def test_popular_items_cost_one_statement(client: FlaskClient) -> None:
    with recorded_statements() as runs:
        ask(client, "popular", limit=100)
    assert [run.name for run in runs] == ["catalog_db.fetch_media"]


def test_popular_items_can_be_filtered(client: FlaskClient) -> None:
    whole = [item for page in (0, 100) for item in ask(client, "popular", limit=100, offset=page)["media"]]
    wanted = [
        item for item in whole if "DRAMA" in map(str.upper, item["genres"]) and item["media_type"] == "SERIES"
    ]
    assert ask(client, "popular", limit=100, genre="drama", media_type="series")["media"] == wanted
    assert ask(client, "popular", limit=3, exclude=whole[0]["id"])["media"] == whole[1:4]


@pytest.mark.parametrize("window_days", [0, 7, 30])
def test_popular_items_of_another_window_are_counted_once(
    client: FlaskClient, shared_databases: Urls, window_days: int
) -> None:
    reference = Reference(shared_databases, window_days=window_days)
    answer = counted(client, window_days, limit=100)
    assert (answer["window_days"], answer["degraded"]) == (window_days, [])
    counts = [item["user_count"] for item in answer["media"]]
    assert counts == sorted(counts, reverse=True)
    for item in answer["media"]:
        assert item["user_count"] == reference.popularity[item["id"]]
    assert counts[0] == max(reference.popularity[item_id] for item_id in reference.catalog)
    with recorded_statements() as runs:
        assert ask(client, "popular", limit=100, window_days=window_days) == answer
    assert [run.name for run in runs] == ["catalog_db.fetch_media"]


def test_another_window_that_cannot_be_counted_is_answered_by_the_configured_one(
    databases: Urls, outage: Outage
) -> None:
    with running_client(databases, **NO_CAPS) as client:
        configured = ask(client, "popular")
        outage.stop(ENGAGEMENT)
        # The first to ask does not wait to hear of it.
        assert ask(client, "popular", window_days=7)["window_days"] == 90
        wait_until(lambda: ask(client, "popular", window_days=7)["degraded"] == ["engagement_db"])
        answer = ask(client, "popular", window_days=7)
        assert (answer["window_days"], answer["counting"]) == (90, False)
        assert answer["media"] == configured["media"]
        assert ask(client, "popular") == configured, "what is known is whole"
        outage.start(ENGAGEMENT)
        wait_until(lambda: ask(client, "popular", window_days=7)["window_days"] == 7)


def test_unknown_popularity_is_degraded_while_another_window_is_counted(databases: Urls) -> None:
    """The counts of 0 are not those of the configured window."""
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        with running_client(databases, **NO_CAPS) as client:
            wait_until(lambda: client.get("/ready").get_json()["status"] == "degraded")
            answer = ask(client, "popular", window_days=30)
            assert (answer["counting"], answer["degraded"]) == (True, [ENGAGEMENT])
            connection.rollback()
            assert counted(client, 30, 1)["degraded"] == []


def test_more_windows_at_a_time_than_are_kept_are_counted_too(
    client: FlaskClient, shared_databases: Urls
) -> None:
    for window_days in (*range(1, 13), 1):
        best = counted(client, window_days, limit=1)
        popularity = Reference(shared_databases, window_days=window_days).popularity
        assert best["window_days"] == window_days
        assert best["media"][0]["user_count"] == popularity[best["media"][0]["id"]]


def test_similar_items_agree_with_the_definition(client: FlaskClient, reference: Reference) -> None:
    compared = 0
    for item_id in sorted(reference.catalog)[::9]:
        answer = similar(client, item_id, limit=100)
        cosines = {other: reference.cosine(item_id, other) for other in reference.catalog - {item_id}}
        expected = sorted((cosine for cosine in cosines.values() if cosine), reverse=True)[:100]
        given = [item["similarity"] for item in answer["similar"]]
        assert given[: len(expected)] == pytest.approx(expected, abs=5.1e-5)
        assert given == sorted(given, reverse=True)
        for item in answer["similar"]:
            assert item["similarity"] == pytest.approx(cosines[item["id"]], abs=5.1e-5)
            genres, own = (reference.genres_of_items.get(key, set()) for key in (item["id"], item_id))
            overlap = len(genres & own) / len(genres | own) if genres | own else 0
            assert item["genre_overlap"] == pytest.approx(overlap, abs=5.1e-5)
            fans = [user for user in reference.positive.values() if {item_id, item["id"]} <= user]
            assert item["shared_user_count"] == len(fans)
            compared += 1
        assert answer["strategy"] == ("collaborative" if expected else "content")
    assert compared > 800


def test_a_similar_answer_has_the_documented_keys_and_costs_two_statements(
    client: FlaskClient, reference: Reference
) -> None:
    item_id = reference.popularity.most_common(1)[0][0]
    with recorded_statements() as runs:
        answer = similar(client, item_id.upper(), limit=4, offset=2)
    assert [run.name for run in runs] == ["engagement_db.fetch_shared_users", "catalog_db.fetch_media"]
    assert list(answer) == [
        "media_id",
        "similar",
        "count",
        "limit",
        "offset",
        "strategy",
        "degraded",
        "model",
        "model_version",
        "index",
    ]
    assert (answer["media_id"], answer["count"], answer["offset"]) == (item_id, 4, 2)
    assert answer["similar"] == similar(client, item_id, limit=6)["similar"][2:]


def test_similar_items_can_be_filtered(client: FlaskClient, reference: Reference) -> None:
    item_id = reference.popularity.most_common(1)[0][0]
    whole = [
        item for page in (0, 100) for item in similar(client, item_id, limit=100, offset=page)["similar"]
    ]
    wanted = [item for item in whole if item["release_year"] >= 2015][:10]
    assert similar(client, item_id, min_year=2015)["similar"] == wanted


def test_live_and_model_find_the_same_similar_items(
    databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = Reference(databases)
    version = train_on(databases, tmp_path / "models", monkeypatch)
    some = [item_id for item_id, _ in reference.popularity.most_common() if item_id in reference.catalog][
        ::15
    ]
    with running_client(databases, **NO_CAPS, **PATIENT) as live_client:
        live = {item_id: similar(live_client, item_id, limit=50)["similar"] for item_id in some}
    with running_client(databases, MODEL_PATH=str(tmp_path / "models"), **NO_CAPS, **PATIENT) as client:
        wait_until(lambda: answers_with(client, reference.users[0], version))
        for item_id in some:
            answer = similar(client, item_id, limit=50)
            assert (answer["model"], answer["model_version"]) == ("neighbours", version)
            assert answer["similar"] == live[item_id]


def test_within_caps_similar_items_are_estimated_from_the_latest_users(
    shared_databases: Urls, reference: Reference
) -> None:
    item_id = reference.popularity.most_common(1)[0][0]
    with running_client(
        shared_databases, EXACT_UP_TO_PAIRS="0", USERS_PER_ITEM="30", ITEMS_PER_USER="20", **PATIENT
    ) as client:
        items = similar(client, item_id, limit=20)["similar"]
    assert all(0 < item["shared_user_count"] <= 30 for item in items)
    assert all(0 < item["similarity"] <= 1 for item in items)
    exact = sorted(reference.catalog - {item_id}, key=lambda other: -reference.cosine(item_id, other))[:40]
    assert len({item["id"] for item in items} & set(exact)) >= 10


def test_without_engagement_db_similar_items_share_genres(databases: Urls, outage: Outage) -> None:
    reference = Reference(databases)
    item_id = next(item_id for item_id in sorted(reference.catalog) if reference.genres_of_items.get(item_id))
    with running_client(databases, **NO_CAPS) as client:
        get(client, UNKNOWN)
        outage.stop(ENGAGEMENT)
        answer = similar(client, item_id)
    assert (answer["strategy"], answer["degraded"]) == ("content", ["engagement_db"])
    assert len(answer["similar"]) == 10
    overlaps = [item["genre_overlap"] for item in answer["similar"]]
    assert overlaps == sorted(overlaps, reverse=True)
    assert all(item["similarity"] == 0 < item["genre_overlap"] for item in answer["similar"])


def test_without_catalog_db_similar_items_are_those_whose_details_are_cached(
    databases: Urls, outage: Outage
) -> None:
    item_id = Reference(databases).popularity.most_common(1)[0][0]
    with running_client(databases, **NO_CAPS) as client:
        before = similar(client, item_id)
        outage.stop(CATALOG)
        after = similar(client, item_id)
        popular = ask(client, "popular")
    assert after == {**before, "degraded": ["catalog_db"]}
    assert popular["degraded"] == ["catalog_db"]
    assert {item["id"] for item in popular["media"]} <= {item_id, *(item["id"] for item in before["similar"])}


def test_an_item_that_is_not_in_the_catalog_is_404(databases: Urls) -> None:
    reference = Reference(databases)
    item_id = reference.popularity.most_common(1)[0][0]
    rows = reference.rows(CATALOG, "SELECT id::text FROM medias WHERE deleted_at IS NOT NULL LIMIT 1")
    with running_client(databases, **NO_CAPS) as client:
        assert similar(client, item_id)["media_id"] == item_id
        with psycopg.connect(databases[CATALOG]) as connection:
            connection.execute("UPDATE medias SET deleted_at = now() WHERE id = %s", (item_id,))
        for unknown in (UNKNOWN, rows[0][0], item_id):
            response = client.get(f"/api/media/{unknown}/similar")
            assert (response.status_code, response.get_json()["code"]) == (404, "media_not_found")


def test_a_deleted_item_is_404_after_few_statements_and_then_after_none(databases: Urls) -> None:
    item_id = Reference(databases).popularity.most_common(1)[0][0]
    with running_client(databases, **NO_CAPS) as client:
        assert similar(client, item_id)["media_id"] == item_id
        with psycopg.connect(databases[CATALOG]) as connection:
            connection.execute("UPDATE medias SET deleted_at = now() WHERE id = %s", (item_id,))
        counts = []
        for _ in range(2):
            with recorded_statements() as statements:
                assert client.get(f"/api/media/{item_id}/similar").status_code == 404
            counts.append([run.name for run in statements if run.name.startswith(CATALOG)])
    assert counts == [["catalog_db.fetch_media"] * 2, []]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("x/similar", "invalid_media_id"),
        (f"{UNKNOWN}/similar?limit=0", "invalid_parameter"),
        (f"{UNKNOWN}/similar?window_days=3", "unknown_parameter"),
        ("popular?window_days=-1", "invalid_parameter"),
        ("popular?window_days=36501", "invalid_parameter"),
        ("popular?explain=true", "unknown_parameter"),
    ],
)
def test_an_invalid_request_is_refused(client: FlaskClient, path: str, code: str) -> None:
    response = client.get(f"/api/media/{path}")
    assert (response.status_code, response.get_json()["code"]) == (400, code)


def test_a_view_with_a_row_per_translation_repeats_no_item(
    databases: Urls, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("ALTER TABLE medias RENAME TO works")
        connection.execute(
            "CREATE VIEW medias AS SELECT * FROM works UNION ALL SELECT id, 'Titre de ' || title AS title, "
            "description, release_year, media_type, cover_url, create_at, deleted_at FROM works"
        )
    reference = Reference(databases)
    user = max(reference.users, key=lambda user_id: len(reference.seen[user_id]))
    with running_client(databases, **NO_CAPS, **PATIENT) as client:
        answers = [
            [item["id"] for item in get(client, user, limit=50)["recommendations"]],
            [item["id"] for item in ask(client, "popular", limit=50)["media"]],
        ]
        for given in answers:
            assert len(set(given)) == len(given) == 50
        similar_items = similar(client, answers[1][0], limit=50)["similar"]
        assert len({item["id"] for item in similar_items}) == len(similar_items)
    assert "rows repeat the id of another; one row per id is used" in caplog.text
