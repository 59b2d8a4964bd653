"""Answers agree with the definitions, item by item, on data that includes invalid rows."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from recommender.entities import DatabaseName
from tests.support.agreement import assert_agrees
from tests.support.clients import NO_CAPS, PATIENT, get, ids, post_batch, running_client, whole_ranking
from tests.support.postgres import Urls
from tests.support.reference import Reference


@pytest.fixture(scope="module")
def batch(shared_databases: Urls, reference: Reference) -> dict[str, Any]:
    """Return the answer of a batch of all users, with their whole rankings."""
    limit = len(reference.catalog)
    with running_client(shared_databases, MAX_LIMIT=str(limit), **NO_CAPS, **PATIENT) as client:
        return post_batch(client, reference.users, limit)


@pytest.fixture(scope="module")
def rankings(batch: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the whole ranking of every user."""
    return {user: answer["recommendations"] for user, answer in batch["results"].items()}


def test_the_whole_ranking_of_every_user_agrees_with_the_definition(
    rankings: dict[str, list[dict[str, Any]]], reference: Reference
) -> None:
    assert len(reference.users) >= 200
    for user in reference.users:
        assert_agrees(rankings[user], reference.rank(user))


@pytest.fixture(scope="module")
def all_time_client(shared_databases: Urls) -> Iterator[FlaskClient]:
    with running_client(shared_databases, INTERACTION_WINDOW_DAYS="0", **NO_CAPS, **PATIENT) as client:
        yield client


def test_all_time_agrees_with_the_definition(all_time_client: FlaskClient, shared_databases: Urls) -> None:
    reference = Reference(shared_databases, window_days=0)
    for user in reference.users[::10]:
        assert_agrees(whole_ranking(all_time_client, user), reference.rank(user))


def test_other_weights_and_numbers_of_similar_users_are_obeyed(shared_databases: Urls) -> None:
    reference = Reference(shared_databases, similar_users=5)
    with running_client(
        shared_databases,
        SIMILAR_USERS="5",
        CONTENT_WEIGHT="0",
        COLLABORATIVE_WEIGHT="1",
        **NO_CAPS,
        **PATIENT,
    ) as client:
        for user in reference.users[::10]:
            expected = {scored.item_id: scored.collaborative_score for scored in reference.rank(user)}
            ranking = whole_ranking(client, user)
            assert len(ranking) == len(expected)
            assert {item["id"] for item in ranking} == expected.keys()
            scores = [item["recommendation_score"] for item in ranking]
            assert scores == sorted(scores, reverse=True)
            for item in ranking:
                assert item["recommendation_score"] == pytest.approx(expected[item["id"]], abs=5.1e-5)


def test_the_data_has_every_kind_of_dirt(reference: Reference) -> None:
    """The data has every kind of invalid row, so that the agreement above covers it."""
    kinds = {kind for _, _, kind, _, _ in reference.interactions}
    assert kinds == {"LIKE", "WATCH", "DISLIKE"}
    assert any(value is None for _, _, _, value, _ in reference.interactions)
    assert any(at is None for *_, at in reference.interactions)
    pairs = [(user, item_id) for user, item_id, *_ in reference.interactions]
    assert len(set(pairs)) < len(pairs)
    in_items = {row[0] for row in reference.rows(DatabaseName.CATALOG, "SELECT id::text FROM medias")}
    assert {item_id for _, item_id in pairs} - in_items, "media gone from the catalog"
    assert in_items - reference.catalog, "deleted media"
    assert len(reference.positive_rows) < sum(
        kind != "DISLIKE" and at is not None for _, _, kind, _, at in reference.interactions
    ), "interactions older than the window"
    stated = reference.rows(DatabaseName.USER, "SELECT user_id::text, genre_name FROM tb_user_genre")
    assert len({(user, genre) for user, genre in stated}) < len(stated), "preferences stated twice"
    assert any(genre != genre.upper() for _, genre in stated), "genres in another case"
    all_users = {
        row[0] for row in reference.rows(DatabaseName.USER, "SELECT user_id::text FROM user_preferences")
    }
    assert all_users - set(reference.genres_of_user), "users without preferences"
    assert all_users - set(reference.seen), "users without history"


def test_batch_equals_single(client: FlaskClient, reference: Reference, batch: dict[str, Any]) -> None:
    users = reference.users
    assert list(batch["results"]) == users
    assert batch["total_users"] == len(users)
    for user in users[::5]:
        first, second = (get(client, user, limit=100, offset=offset) for offset in (0, 100))
        whole = {
            **first,
            "count": first["count"] + second["count"],
            "recommendations": first["recommendations"] + second["recommendations"],
        }
        for key, value in batch["results"][user].items():
            assert whole[key] == value


def test_pages_concatenate_to_the_whole(
    client: FlaskClient, reference: Reference, rankings: dict[str, list[dict[str, Any]]]
) -> None:
    for user, limits in ((reference.users[0], (17, 100)), (reference.users[40], (7, 50))):
        whole = [scored.item_id for scored in reference.rank(user)]
        for limit in limits:
            pages: list[str] = []
            for offset in range(0, len(whole) + limit, limit):
                answer = client.get(f"/api/recommendations/{user}?limit={limit}&offset={offset}").get_json()
                pages += ids(answer)
                assert answer["count"] == len(answer["recommendations"])
            assert len(pages) == len(set(pages))
            assert set(pages) == set(whole)
            assert pages == [item["id"] for item in rankings[user]]
            alone = [ids(get(client, user, limit=1, offset=offset)) for offset in (0, 1, limit)]
            assert alone == [pages[:1], pages[1:2], pages[limit : limit + 1]]


def test_seen_deleted_and_vanished_items_never_appear(
    reference: Reference, rankings: dict[str, list[dict[str, Any]]]
) -> None:
    disliked_somewhere = False
    for user in reference.users[::3]:
        given = {item["id"] for item in rankings[user]}
        assert given == reference.catalog - reference.seen.get(user, set())
        disliked = {m for u, m, kind, _, _ in reference.interactions if u == user and kind == "DISLIKE"}
        assert not given & disliked
        disliked_somewhere = disliked_somewhere or bool(disliked)
    assert disliked_somewhere


def test_the_same_request_gives_the_same_answer(client: FlaskClient, reference: Reference) -> None:
    for user in reference.users[:32:4]:
        first = client.get(f"/api/recommendations/{user}?limit=100").data
        assert all(client.get(f"/api/recommendations/{user}?limit=100").data == first for _ in range(3))
