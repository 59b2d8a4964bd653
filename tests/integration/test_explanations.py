"""Explanations reproduce the scores, and name the items and genres behind them."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, PATIENT, get, ids, post_batch, running_client
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference
from tests.support.training import answers_with, train_on
from tests.support.waiting import wait_until

USER, CATALOG, ENGAGEMENT = DatabaseName
EXPLAINED = {
    "matched_genres",
    "similar_user_count",
    "total_interaction_value",
    "because_you_liked",
    "reason",
    "score_parts",
}
UNKNOWN_USER = "11111111-1111-4111-8111-111111111111"


def explained(client: FlaskClient, user: str, limit: int = 100) -> dict[str, Any]:
    return get(client, user, limit=limit, explain="true")


@pytest.fixture(scope="module")
def explained_answers(client: FlaskClient, reference: Reference) -> list[dict[str, Any]]:
    return [explained(client, user) for user in reference.users[::4]]


def test_the_numbers_reproduce_the_score(explained_answers: list[dict[str, Any]]) -> None:
    with_both = 0
    for answer in explained_answers:
        basis = answer["basis"]
        for item in answer["recommendations"]:
            stated, matched = len(basis["stated_genres"]), len(item["matched_genres"])
            content = matched / stated if stated else 0.0
            product = max(0.0, item["similar_user_count"] * item["total_interaction_value"])
            collaborative = product / basis["max_score"] if basis["max_score"] else 0.0
            assert item["content_score"] == pytest.approx(content, abs=5.1e-5)
            assert item["collaborative_score"] == pytest.approx(collaborative, abs=5.1e-5)
            score = basis["content_weight"] * content + basis["collaborative_weight"] * collaborative
            assert item["recommendation_score"] == pytest.approx(score, abs=5.1e-5)
            with_both += bool(content and collaborative)
    assert with_both > 300


def test_the_parts_add_up_to_the_score_as_shown(explained_answers: list[dict[str, Any]]) -> None:
    for answer in explained_answers:
        for item in answer["recommendations"]:
            parts = item["score_parts"]
            assert round(parts["content"] + parts["collaborative"], 4) == item["recommendation_score"]
            assert parts["content"] == pytest.approx(0.4 * item["content_score"], abs=1.1e-4)
            assert parts["collaborative"] == pytest.approx(0.6 * item["collaborative_score"], abs=1.1e-4)


@pytest.mark.parametrize("excluding", ["", "DISLIKE"])
def test_named_items_and_genres_agree_with_the_definition(
    shared_databases: Urls, reference: Reference, excluding: str
) -> None:
    users = reference.users[::12]
    with running_client(shared_databases, EXCLUDING_TYPES=excluding, **NO_CAPS, **PATIENT) as client:
        answers = [explained(client, user, limit=20) for user in users]
    named, seen = 0, 0
    for user, answer in zip(users, answers, strict=True):
        neighbours = reference.similar(user)
        assert answer["basis"]["similar_users"] == len(neighbours)
        assert answer["basis"]["window_days"] == 90
        stated = reference.genres_of_user.get(user, set())
        assert {genre.lower() for genre in answer["basis"]["stated_genres"]} == stated
        for item in answer["recommendations"]:
            fans = reference.fans(neighbours, item["id"])
            assert item["similar_user_count"] == len(fans)
            genres = reference.genres_of_items.get(item["id"], set())
            assert {genre.lower() for genre in item["matched_genres"]} == genres & stated
            telling = reference.telling(list(reference.positive.get(user, ())), neighbours, item["id"])
            weights = {own: weight for weight, own in telling}
            given = [own["id"] for own in item["because_you_liked"]]
            assert [weights[own] for own in given] == pytest.approx([weight for weight, _ in telling[:3]])
            named += len(given)
            seen += item["id"] in reference.positive.get(user, ())
    assert named > 300
    assert bool(seen) == bool(excluding)


def test_explaining_runs_no_statement_and_changes_nothing_else(
    client: FlaskClient, reference: Reference
) -> None:
    user = max(reference.users, key=lambda user: len(reference.positive.get(user, ())))
    with recorded_statements() as plain_runs:
        plain = get(client, user, limit=100)
    with recorded_statements() as runs:
        answer = explained(client, user)
    assert [run.name for run in runs] == [run.name for run in plain_runs]
    assert len(runs) == 5
    assert {key: value for key, value in answer.items() if key not in ("recommendations", "basis")} == {
        key: value for key, value in plain.items() if key != "recommendations"
    }
    for item, same in zip(answer["recommendations"], plain["recommendations"], strict=True):
        assert {key: item[key] for key in same} == same


def test_a_batch_explains_as_single_requests_do(client: FlaskClient, reference: Reference) -> None:
    users = reference.users[:130]
    with recorded_statements() as runs:
        response = client.post(
            "/api/recommendations/batch", json={"user_ids": users, "limit": 7, "explain": True}
        )
    assert len(runs) == 5 * 2
    for user, result in response.get_json()["results"].items():
        single = explained(client, user, limit=7)
        assert {key: single[key] for key in result} == result


def test_without_explain_nothing_is_explained(client: FlaskClient, reference: Reference) -> None:
    user = reference.users[0]
    single = get(client, user, explain="false")
    in_batch = post_batch(client, [user])["results"][user]
    for answer in (single, in_batch):
        assert "basis" not in answer
        assert answer["recommendations"]
        for item in answer["recommendations"]:
            assert not item.keys() & EXPLAINED
    for item in explained(client, user)["recommendations"]:
        assert item.keys() >= EXPLAINED


def test_live_and_model_give_the_same_explanations(
    databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = Reference(databases).users[::9]
    version = train_on(databases, tmp_path / "models", monkeypatch)
    with running_client(databases, **NO_CAPS) as live_client:
        live = {user: explained(live_client, user) for user in users}
    with running_client(databases, MODEL_PATH=str(tmp_path / "models"), **NO_CAPS) as client:
        wait_until(lambda: answers_with(client, users[0], version))
        for user in users:
            answer = explained(client, user)
            assert answer["model"] == "neighbours"
            assert answer["recommendations"] == live[user]["recommendations"]
            assert answer["basis"] == live[user]["basis"]


def test_the_reason_is_a_sentence_that_names_every_cause(explained_answers: list[dict[str, Any]]) -> None:
    seen = set()
    for answer in explained_answers:
        for item in answer["recommendations"]:
            reason = item["reason"]
            assert reason[0].isupper() or reason[0].isdigit()
            assert reason.endswith(".")
            users = item["similar_user_count"] * item["total_interaction_value"] > 0
            genres, own = bool(item["matched_genres"]), bool(item["because_you_liked"])
            assert ("people most like you" in reason) == users
            assert ("as you asked for" in reason) == genres
            assert bool(re.search("ecause you (liked|watched)", reason)) == own
            for place, named in enumerate(item["because_you_liked"]):
                assert (f"“{named['title']}”" in reason) == (place < 2)
            if not users and not genres:
                assert reason.startswith("Popular: ") or reason == "Nothing fits better."
            seen.add((users, genres, own))
    assert len(seen) >= 4


def test_an_unknown_user_gets_popularity_as_the_reason(client: FlaskClient, reference: Reference) -> None:
    answer = explained(client, UNKNOWN_USER, limit=1)
    assert answer["basis"]["stated_genres"] == []
    (item,) = answer["recommendations"]
    assert item["reason"] == f"Popular: {reference.popularity[item['id']]:,} people liked or watched it."


def test_items_of_the_history_deleted_since_are_not_named(databases: Urls) -> None:
    reference = Reference(databases)
    user = max(reference.users, key=lambda user: len(reference.positive.get(user, ())))
    with running_client(databases, **NO_CAPS) as client:
        before = explained(client, user, limit=10)
        gone = before["recommendations"][0]["because_you_liked"][0]["id"]
        with psycopg.connect(databases[CATALOG]) as connection:
            connection.execute("UPDATE medias SET deleted_at = now() WHERE id = %s", (gone,))
        after = explained(client, user, limit=10)
    assert ids(after) == ids(before)
    assert after["degraded"] == []
    named = {own["id"] for item in after["recommendations"] for own in item["because_you_liked"]}
    assert named
    assert gone not in named


def test_a_deleted_item_of_the_history_costs_one_statement_once(databases: Urls) -> None:
    reference = Reference(databases)
    user = max(reference.users, key=lambda user: len(reference.positive.get(user, ())))
    with running_client(databases, **NO_CAPS) as client:
        gone = explained(client, user, limit=10)["recommendations"][0]["because_you_liked"][0]["id"]
        with psycopg.connect(databases[CATALOG]) as connection:
            connection.execute("UPDATE medias SET deleted_at = now() WHERE id = %s", (gone,))
        first, second = (statements_of_catalog_db(client, user) for _ in range(2))
    assert first == ["catalog_db.fetch_media"] * 2
    assert second == ["catalog_db.fetch_media"]


def statements_of_catalog_db(client: FlaskClient, user: str) -> list[str]:
    with recorded_statements() as runs:
        explained(client, user, limit=10)
    return [run.name for run in runs if run.name.startswith(CATALOG)]


def test_in_an_outage_the_remaining_scores_are_explained(databases: Urls, outage: Outage) -> None:
    reference = Reference(databases)
    user = next(
        user for user in reference.users if reference.similar(user) and user in reference.genres_of_user
    )
    with running_client(databases, **NO_CAPS) as client:
        explained(client, user)
        outage.stop(CATALOG)
        answer = explained(client, user)
        assert answer["degraded"] == ["catalog_db"]
        assert any(item["because_you_liked"] for item in answer["recommendations"])
        outage.start(CATALOG)
        wait_until(lambda: not get(client, user)["degraded"])
        outage.stop(ENGAGEMENT)
        answer = explained(client, user)
        assert answer["degraded"] == ["engagement_db"]
        assert answer["basis"]["similar_users"] == 0
        assert all(item["similar_user_count"] == 0 for item in answer["recommendations"])
        assert "as you asked for" in answer["recommendations"][0]["reason"]


@pytest.mark.parametrize(
    ("weights", "strategy", "words"),
    [
        (("0", "0"), "popular", ("Popular: ", "ecause you (liked|watched)|as you asked for")),
        (("1", "0"), "content", ("as you asked for", "ecause you (liked|watched)|people most like you")),
        (("0", "1"), "collaborative", ("people most like you", "as you asked for")),
    ],
)
def test_a_score_with_weight_0_is_no_reason(
    shared_databases: Urls,
    reference: Reference,
    weights: tuple[str, str],
    strategy: str,
    words: tuple[str, str],
) -> None:
    user = next(user for user in reference.genres_of_user if len(reference.similar(user)) > 20)
    content, collaborative = weights
    said, unsaid = words
    with running_client(
        shared_databases, CONTENT_WEIGHT=content, COLLABORATIVE_WEIGHT=collaborative, **NO_CAPS, **PATIENT
    ) as client:
        answer = explained(client, user, limit=10)
    assert answer["strategy"] == strategy
    reasons = [item["reason"] for item in answer["recommendations"]]
    assert said in reasons[0]
    assert not any(re.search(unsaid, reason) for reason in reasons)


def test_a_genre_reads_as_a_word(databases: Urls) -> None:
    reference = Reference(databases)
    user = next(user for user in reference.genres_of_user if reference.similar(user))
    with psycopg.connect(databases[USER]) as connection:
        connection.execute("UPDATE tb_user_genre SET genre_name = 'SCIENCE_FICTION'")
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("UPDATE tb_media_genre SET genre_name = 'SCIENCE_FICTION'")
    with running_client(databases, **NO_CAPS, **PATIENT) as client:
        (item,) = explained(client, user, limit=1)["recommendations"]
    assert item["matched_genres"] == ["SCIENCE_FICTION"]
    assert "it has Science fiction, as you asked for." in item["reason"]
