"""With `CONTENT=profile` answers agree with the definition, also while databases are down."""

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from recommender.entities import DatabaseName
from tests.support.agreement import assert_agrees
from tests.support.clients import NO_CAPS, PATIENT, get, post_batch, running_client, whole_ranking
from tests.support.postgres import Outage, Urls
from tests.support.profile_reference import ProfileReference

USER, CATALOG, ENGAGEMENT = DatabaseName
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def profile_client(shared_databases: Urls) -> Iterator[FlaskClient]:
    with running_client(shared_databases, CONTENT="profile", MAX_LIMIT="200", **NO_CAPS, **PATIENT) as client:
        yield client


@pytest.fixture(scope="module")
def reference(shared_databases: Urls) -> ProfileReference:
    return ProfileReference(shared_databases)


def test_the_whole_ranking_agrees_with_the_definition(
    profile_client: FlaskClient, reference: ProfileReference
) -> None:
    users = reference.users[::4]
    assert len(users) >= 50
    answers = post_batch(profile_client, users, len(reference.catalog))["results"]
    for user in users:
        assert_agrees(answers[user]["recommendations"], reference.rank(user))
    for user in users[::7]:
        assert whole_ranking(profile_client, user) == answers[user]["recommendations"]


def test_content_counts_with_stated_genres_or_a_history(
    profile_client: FlaskClient, reference: ProfileReference
) -> None:
    seen = set()
    users = [*reference.users, UNKNOWN]
    answers = post_batch(profile_client, users, 1)["results"]
    for user in users:
        stated, liked = reference.genres_of_user.get(user, set()), reference.positive.get(user, set())
        counts = reference.genre_counts(stated, liked)
        strategy = answers[user]["strategy"]
        assert (strategy in {"hybrid", "content"}) == any(counts.values())
        seen.add(strategy)
    assert {"hybrid", "content", "popular"} <= seen


def test_explanations_name_the_stated_genres_and_add_up(
    profile_client: FlaskClient, reference: ProfileReference
) -> None:
    asked_for = 0
    for user in list(reference.genres_of_user)[:20]:
        for item in get(profile_client, user, limit=20, explain="true")["recommendations"]:
            parts = item["score_parts"]
            assert parts["content"] == pytest.approx(0.4 * item["content_score"], abs=1.1e-4)
            assert sum(parts.values()) == pytest.approx(item["recommendation_score"], abs=1e-9)
            stated = reference.genres_of_user[user]
            matched = reference.genres_of_items.get(item["id"], set()) & stated
            assert len(item["matched_genres"]) == len(matched)
            assert bool(matched) == bool(re.search("as you asked for", item["reason"]))
            asked_for += bool(matched)
    assert asked_for


def test_a_preview_agrees_with_the_definition(
    profile_client: FlaskClient, reference: ProfileReference
) -> None:
    for user in reference.users[::40]:
        liked = set(sorted(reference.positive.get(user, set()))[:100])
        stated = reference.genres_of_user.get(user, set())
        body = {"genres": sorted(stated), "liked": sorted(liked), "limit": 100}
        answer = profile_client.post("/api/recommendations/preview", json=body).get_json()
        expected = reference.rank_by_profile(stated, liked, reference.similar_to(liked), liked)[:100]
        assert_agrees(answer["recommendations"], expected)


@pytest.mark.parametrize("down", [(USER,), (ENGAGEMENT,), (USER, ENGAGEMENT)], ids="+".join)
def test_with_databases_down_answers_agree_with_the_definition(
    databases: Urls, outage: Outage, down: tuple[DatabaseName, ...]
) -> None:
    reference = ProfileReference(databases)
    user = next(user for user in reference.genres_of_user if len(reference.similar(user)) > 20)
    with running_client(databases, CONTENT="profile", **NO_CAPS) as client:
        assert get(client, user)["strategy"] == "hybrid"
        outage.stop(*down)
        answer = get(client, user, limit=30)
    assert_agrees(answer["recommendations"], reference.rank(user, without=down)[:30])
    assert answer["degraded"] == [name for name in DatabaseName if name in down]
    assert (
        answer["strategy"]
        == {
            (USER,): "hybrid",
            (ENGAGEMENT,): "content",
            (USER, ENGAGEMENT): "popular",
        }[down]
    )


def test_a_start_without_engagement_db_scores_by_stated_genres_alone(databases: Urls, outage: Outage) -> None:
    reference = ProfileReference(databases)
    user, stated = next((user, stated) for user, stated in reference.genres_of_user.items() if stated)
    outage.stop(ENGAGEMENT)
    with running_client(databases, CONTENT="profile", **NO_CAPS) as client:
        answer = get(client, user, limit=5)
    assert (answer["strategy"], answer["degraded"]) == ("content", ["engagement_db"])
    for item in answer["recommendations"]:
        assert reference.genres_of_items[item["id"]] & stated
