"""Previews recommend to users without an account, by the same formulas."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName
from tests.support.agreement import assert_agrees
from tests.support.clients import NO_CAPS, get, ids, running_client
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName
PATH = "/api/recommendations/preview"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def preview(client: FlaskClient, **body: Any) -> dict[str, Any]:
    response = client.post(PATH, json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def test_a_preview_agrees_with_the_definition(client: FlaskClient, reference: Reference) -> None:
    users = [user for user in reference.users if len(reference.positive.get(user, ())) <= 100]
    for user in users[::20]:
        liked = reference.positive.get(user, set())
        stated = reference.genres_of_user.get(user, set())
        answer = preview(client, genres=sorted(stated), liked=sorted(liked), limit=100)
        # No user is excluded: the profile may be most similar to the user that it was copied from.
        expected = reference.rank_for(stated, reference.similar_to(liked), liked)[:100]
        assert_agrees(answer["recommendations"], expected)
        assert answer["degraded"] == []
        assert set(answer["unknown_media"]) == liked - reference.catalog


def test_a_preview_has_the_documented_keys_and_takes_three_statements_at_most(
    client: FlaskClient, reference: Reference
) -> None:
    liked = [item_id for item_id, _ in reference.popularity.most_common(3)]
    with recorded_statements() as runs:
        answer = preview(client, genres=["Drama"], liked=liked, limit=3)
    assert [run.name for run in runs] == [
        "engagement_db.fetch_users_of_media",
        "engagement_db.fetch_media_of_users",
        "catalog_db.fetch_media",
    ]
    assert list(answer) == [
        "recommendations",
        "count",
        "strategy",
        "degraded",
        "model",
        "model_version",
        "index",
        "unknown_media",
    ]
    assert (answer["count"], answer["strategy"], answer["model"]) == (3, "hybrid", "live")


def test_genres_and_likes_are_each_optional(client: FlaskClient, reference: Reference) -> None:
    liked = [reference.popularity.most_common(1)[0][0]]
    assert preview(client, genres=["Drama"])["strategy"] == "content"
    assert preview(client, liked=liked)["strategy"] == "collaborative"
    nothing = preview(client)
    stranger = get(client, UNKNOWN)
    assert nothing["strategy"] == "popular"
    assert nothing["recommendations"] == stranger["recommendations"]


def test_unknown_liked_items_are_named_and_ignored(client: FlaskClient, reference: Reference) -> None:
    liked = [reference.popularity.most_common(1)[0][0]]
    answer = preview(client, liked=[*liked, UNKNOWN.upper()])
    assert answer.pop("unknown_media") == [UNKNOWN]
    without = preview(client, liked=liked)
    assert without.pop("unknown_media") == []
    assert answer == without


def test_a_preview_can_be_filtered_and_explained(client: FlaskClient, reference: Reference) -> None:
    liked = [item_id for item_id, _ in reference.popularity.most_common(5)]
    answer = preview(client, genres=["drama"], liked=liked, genre=["WAR"], explain=True, limit=5)
    assert all("WAR" in (genre.upper() for genre in item["genres"]) for item in answer["recommendations"])
    assert answer["basis"]["stated_genres"] == ["drama"]
    named = {own["id"] for item in answer["recommendations"] for own in item["because_you_liked"]}
    assert named
    assert named <= set(liked)


def test_a_preview_in_an_outage_uses_the_remaining_databases(databases: Urls, outage: Outage) -> None:
    liked = [Reference(databases).popularity.most_common(1)[0][0]]
    with running_client(databases, **NO_CAPS) as client:
        preview(client, genres=["Drama"], liked=liked, limit=100)
        outage.stop(ENGAGEMENT)
        answer = preview(client, genres=["Drama"], liked=liked)
        assert (answer["strategy"], answer["degraded"]) == ("content", ["engagement_db"])
        assert not set(liked) & set(ids(answer))
        outage.stop(USER, CATALOG)
        answer = preview(client, genres=["Drama"], liked=liked)
        assert (answer["strategy"], answer["degraded"]) == ("content", ["catalog_db", "engagement_db"])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"genres": "Drama"}, "genres must be a list"),
        ({"genres": [1]}, "each of genres must be a string; wrong at positions (from 0): 0"),
        ({"liked": ["x"]}, "each of liked must be a UUID; wrong at positions (from 0): 0"),
        ({"liked": [UNKNOWN] * 101}, "liked must hold 0 to 100 ids, got 101"),
        ({"explain": "true"}, "explain must be true or false, got 'true'"),
        ({"likes": []}, "unknown key 'likes'; "),
    ],
)
def test_an_invalid_body_is_refused(client: FlaskClient, body: dict[str, Any], says: str) -> None:
    response = client.post(PATH, json=body)
    assert (response.status_code, response.get_json()["code"]) == (400, "invalid_body")
    assert response.get_json()["error"].startswith(says)


def test_a_preview_refuses_get(client: FlaskClient) -> None:
    response = client.get(PATH)
    assert (response.status_code, response.headers["Allow"]) == (405, "OPTIONS, POST")
