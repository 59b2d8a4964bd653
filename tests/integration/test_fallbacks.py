"""The service answers while databases are down, and recovers on its own."""

import itertools
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.databases.loading import create_databases
from recommender.databases.recording import recorded_statements
from recommender.demo.embedded import database_urls, embedded_server, server_url
from recommender.demo.generate import DemoData
from recommender.demo.load import load_demo
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, get, healthy_answer, ids, no_progress, running_client
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName

EVERY_OUTAGE = [
    names for size in (1, 2, 3) for names in itertools.combinations((USER, CATALOG, ENGAGEMENT), size)
]
_RECOVERY_S = 5.0


@pytest.fixture
def live(databases: Urls) -> Iterator[FlaskClient]:
    with running_client(databases, **NO_CAPS) as client:
        # On a busy machine the first load may get no connection within the short timeout.
        assert eventually(lambda: client.get("/ready").get_json()["status"] == "ready")
        yield client


def eventually(check: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _RECOVERY_S
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.1)
    return False


def user_with_everything(reference: Reference) -> str:
    """Return a user whose ranking uses both stated genres and similar users."""
    return next(
        user
        for user in reference.users
        if {"hybrid"} == {expected_strategy(reference, user, without=())} and len(reference.seen[user]) < 40
    )


def expected_strategy(reference: Reference, user: str, without: Sequence[DatabaseName]) -> str:
    ranked = reference.rank(user, without=tuple(without))
    content = any(scored.content_score > 0 for scored in ranked)
    collaborative = any(scored.collaborative_score > 0 for scored in ranked)
    return {
        (True, True): "hybrid",
        (True, False): "content",
        (False, True): "collaborative",
        (False, False): "popular",
    }[content, collaborative]


@pytest.mark.parametrize("down", EVERY_OUTAGE, ids="+".join)
def test_with_databases_down_answers_agree_with_the_definition(
    live: FlaskClient, databases: Urls, outage: Outage, down: tuple[DatabaseName, ...]
) -> None:
    reference = Reference(databases)
    user = user_with_everything(reference)
    normal = healthy_answer(live, user, limit=30)
    assert (normal["strategy"], normal["degraded"]) == ("hybrid", [])
    ranked = [scored.item_id for scored in reference.rank(user, without=down)]
    if CATALOG in down:
        ranked = [item_id for item_id in ranked if item_id in ids(normal)]

    outage.stop(*down)
    answer = get(live, user, limit=10)

    assert answer["degraded"] == [name for name in DatabaseName if name in down]
    assert answer["strategy"] == expected_strategy(reference, user, without=down)
    assert ids(answer) == ranked[:10]
    assert answer["count"] == 10
    assert all(item["title"] for item in answer["recommendations"])

    outage.start(*down)
    assert eventually(lambda: get(live, user, limit=30) == normal)


def test_an_unknown_user_gets_popular_items(live: FlaskClient, databases: Urls) -> None:
    reference = Reference(databases)
    answer = get(live, "00000000-0000-4000-8000-000000000000", limit=20)
    popular = sorted(reference.catalog, key=lambda item_id: (-reference.popularity[item_id], item_id))
    assert answer["strategy"] == "popular"
    assert answer["degraded"] == []
    assert ids(answer) == popular[:20]
    scores = ("recommendation_score", "content_score", "collaborative_score")
    assert {item[score] for item in answer["recommendations"] for score in scores} == {0.0}


def test_too_few_scored_items_are_filled_up_with_popular_ones(live: FlaskClient, databases: Urls) -> None:
    user = "11111111-1111-4111-8111-111111111111"
    with psycopg.connect(databases[USER]) as connection:
        connection.execute("INSERT INTO user_preferences VALUES (gen_random_uuid(), %s)", (user,))
        connection.execute("INSERT INTO tb_user_genre VALUES (%s, 'wEsTeRn')", (user,))
    reference = Reference(databases)
    answer = get(live, user, limit=100)
    scores = [item["recommendation_score"] for item in answer["recommendations"]]
    scored = sum(score > 0 for score in scores)
    assert 0 < scored < 100
    assert scores == [0.4] * scored + [0.0] * (100 - scored)
    assert ids(answer) == [item.item_id for item in reference.rank(user)][:100]


@pytest.mark.parametrize("down", [(CATALOG,), (USER, CATALOG, ENGAGEMENT)], ids=["catalog_db", "all"])
def test_with_nothing_cached_the_answer_is_503(
    databases: Urls, outage: Outage, down: tuple[DatabaseName, ...]
) -> None:
    outage.stop(*down)
    with running_client(databases) as client:
        for response in (
            client.get("/api/recommendations/11111111-1111-4111-8111-111111111111"),
            client.post(
                "/api/recommendations/batch",
                json={"user_ids": ["11111111-1111-4111-8111-111111111111"]},
            ),
        ):
            assert response.status_code == 503
            assert response.get_json()["code"] == "service_unavailable"
        assert client.get("/health").status_code == 200
        outage.start(*down)
        assert eventually(
            lambda: client.get("/api/recommendations/11111111-1111-4111-8111-111111111111").status_code == 200
        )


def test_details_lost_after_the_index_was_loaded_are_503_not_an_empty_list(
    live: FlaskClient, databases: Urls, outage: Outage
) -> None:
    user = Reference(databases).users[0]
    get(live, user, limit=1, offset=2_000_000)  # loads the index, caches no details
    outage.stop(CATALOG)
    assert live.get(f"/api/recommendations/{user}").status_code == 503


def test_a_start_without_engagement_db_serves_content_and_then_recovers(
    databases: Urls, outage: Outage
) -> None:
    user = user_with_everything(Reference(databases))
    outage.stop(ENGAGEMENT)
    with running_client(databases, **NO_CAPS) as client:
        answer = get(client, user)
        assert (answer["strategy"], answer["degraded"]) == ("content", ["engagement_db"])
        outage.start(ENGAGEMENT)
        assert eventually(lambda: get(client, user)["strategy"] == "hybrid")


def test_a_batch_during_an_outage_says_so_for_every_user(
    live: FlaskClient, databases: Urls, outage: Outage
) -> None:
    users = Reference(databases).users[:150]
    get(live, users[0])
    outage.stop(USER)
    response = live.post("/api/recommendations/batch", json={"user_ids": users})
    results = response.get_json()["results"]
    assert response.status_code == 200
    assert list(results) == users
    assert {tuple(result["degraded"]) for result in results.values()} == {("user_db",)}
    assert {result["strategy"] for result in results.values()} <= {"collaborative", "popular"}


def test_a_changed_table_degrades_like_an_outage(live: FlaskClient, databases: Urls) -> None:
    user = user_with_everything(Reference(databases))
    normal = healthy_answer(live, user)
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("ALTER TABLE interaction RENAME COLUMN media_id TO item_id")
    answer = get(live, user)
    assert (answer["strategy"], answer["degraded"]) == ("content", ["engagement_db"])
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("ALTER TABLE interaction RENAME COLUMN item_id TO media_id")
    assert get(live, user) == normal


def test_a_locked_table_is_given_up_after_the_statement_timeout(databases: Urls) -> None:
    user = user_with_everything(Reference(databases))
    with running_client(databases, STATEMENT_TIMEOUT_MS="300", **NO_CAPS) as client:
        normal = healthy_answer(client, user)
        with psycopg.connect(databases[ENGAGEMENT]) as connection:
            connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
            answer = get(client, user)
        assert (answer["strategy"], answer["degraded"]) == ("content", ["engagement_db"])
        assert get(client, user) == normal


def test_a_deleted_item_is_gone_from_the_next_answer_and_its_place_is_filled(
    live: FlaskClient, databases: Urls
) -> None:
    user = user_with_everything(Reference(databases))
    first = ids(get(live, user))
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("UPDATE medias SET deleted_at = now() WHERE id = %s", (first[2],))
        connection.execute("DELETE FROM medias WHERE id = %s", (first[5],))
    expected = [scored.item_id for scored in Reference(databases).rank(user)]
    answer = get(live, user)
    assert answer["degraded"] == []
    assert ids(answer) == expected[:10]
    assert ids(get(live, user, limit=100)) == expected[:100]


def test_a_like_made_just_now_changes_the_next_answer(live: FlaskClient, databases: Urls) -> None:
    user = user_with_everything(Reference(databases))
    before = get(live, user)
    liked = ids(before)[0]
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute(
            "INSERT INTO interaction VALUES (10000000, %s, %s, 'LIKE', 2.0, now() AT TIME ZONE 'UTC')",
            (user, liked),
        )
    after = get(live, user)
    assert liked not in ids(after)
    scores = {item["id"]: item["collaborative_score"] for item in before["recommendations"]}
    changed = [item["collaborative_score"] != scores.get(item["id"]) for item in after["recommendations"]]
    assert any(changed)


def test_a_server_stopped_and_started_again_is_survived_without_a_restart(generated: DemoData) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="marquee-", ignore_cleanup_errors=True) as folder,
        embedded_server(Path(folder) / "postgres") as server,
    ):
        create_databases(server_url(server, "postgres"))
        urls = database_urls(server)
        load_demo(urls, generated, no_progress)
        user = user_with_everything(Reference(urls))
        with running_client(urls, **NO_CAPS) as client:
            normal = healthy_answer(client, user)
            process = psutil.Process(server.get_postmaster_info().pid)
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            process.wait(10)
            answer: dict[str, Any] = get(client, user)
            assert answer["strategy"] == "popular"
            assert answer["degraded"] == ["user_db", "catalog_db", "engagement_db"]
            assert set(ids(answer)) <= set(ids(normal))
            server.ensure_postgres_running()
            assert eventually(lambda: get(client, user) == normal)


def test_pages_after_deletions_neither_overlap_nor_skip(live: FlaskClient, databases: Urls) -> None:
    user = user_with_everything(Reference(databases))
    first = ids(get(live, user))
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("DELETE FROM medias WHERE id = ANY(%s::uuid[])", (first[3:5],))
    expected = [scored.item_id for scored in Reference(databases).rank(user)]
    pages = [item_id for offset in (0, 10, 20, 30) for item_id in ids(get(live, user, offset=offset))]
    assert pages == expected[:40]


def test_a_page_is_filled_if_all_its_items_were_deleted(live: FlaskClient, databases: Urls) -> None:
    user = user_with_everything(Reference(databases))
    first = ids(get(live, user, limit=60))
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("DELETE FROM medias WHERE id = ANY(%s::uuid[])", (first,))
    expected = [scored.item_id for scored in Reference(databases).rank(user)]
    with recorded_statements() as statements:
        answer = get(live, user)
    assert ids(answer) == expected[:10]
    assert len(statements) == 6
    with recorded_statements() as statements:
        assert ids(get(live, user)) == expected[:10]
    assert len(statements) == 5, "what is gone is remembered"


def test_a_start_while_engagement_db_is_locked_serves_content(
    databases: Urls,
) -> None:
    user = user_with_everything(Reference(databases))
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        with running_client(databases, STATEMENT_TIMEOUT_MS="300", CATALOG_TIMEOUT_MS="4000") as client:
            for _ in range(2):
                answer = get(client, user)
                assert (answer["strategy"], answer["degraded"]) == ("content", ["engagement_db"])
            connection.rollback()
            assert eventually(lambda: get(client, user)["strategy"] == "hybrid")


def test_with_catalog_db_down_a_page_past_the_end_is_empty_and_a_user_who_saw_everything_gets_503(
    live: FlaskClient, databases: Urls, outage: Outage
) -> None:
    reference = Reference(databases)
    user = user_with_everything(reference)
    shown = ids(get(live, user, limit=1))
    sated = "44444444-4444-4444-8444-444444444444"
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute(
            "INSERT INTO interaction VALUES (10000000, %s, %s, 'WATCH', 1.0, NULL)", (sated, shown[0])
        )
    outage.stop(CATALOG)
    past = get(live, user, offset=5)
    assert (past["recommendations"], past["degraded"]) == ([], ["catalog_db"])
    assert live.get(f"/api/recommendations/{sated}").status_code == 503
    batch = live.post("/api/recommendations/batch", json={"user_ids": [sated, user]}).get_json()["results"]
    assert (batch[sated]["count"], batch[sated]["degraded"]) == (0, ["catalog_db"])
    assert ids(batch[user]) == shown


def test_connections_cut_while_idle_are_replaced_without_a_degraded_answer(
    live: FlaskClient, databases: Urls
) -> None:
    user = user_with_everything(Reference(databases))
    normal = healthy_answer(live, user)
    with psycopg.connect(databases[USER], autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'marquee'"
        )
    assert get(live, user) == normal


def test_while_popularity_cannot_be_counted_similar_users_are_reported_missing(
    databases: Urls, tmp_path: Path
) -> None:
    (tmp_path / "engagement_db").mkdir()
    (tmp_path / "engagement_db" / "count_active_users.sql").write_text(
        "-- name: count_active_users(window_start)\nSELECT length(:window_start) / 0;\n"
    )
    reference = Reference(databases)
    user = user_with_everything(reference)
    with running_client(databases, SQL_PATH=str(tmp_path), **NO_CAPS) as client:
        answer = get(client, user)
    assert (answer["strategy"], answer["degraded"]) == ("content", ["engagement_db"])
    assert not set(ids(answer)) & reference.seen[user], "the history was read all the same"
