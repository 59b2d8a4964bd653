"""Filters apply before the ranking, and change no score."""

from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, get, ids, running_client, whole_ranking
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName

FILTERS: list[dict[str, Any]] = [
    {"genre": "DRAMA"},
    {"genre": ["drama", "Comedy"]},
    {"media_type": "series"},
    {"media_type": ["SERIES", "MOVIE"]},
    {"min_year": 2020},
    {"max_year": 2015},
    {"min_year": 2010, "max_year": 2018},
    {"genre": "ACTION", "media_type": "MOVIE", "min_year": 2005},
]


def passes(item: dict[str, Any], filters: dict[str, Any]) -> bool:
    def wanted(name: str) -> set[str]:
        value = filters.get(name, [])
        return {text.lower() for text in ([value] if isinstance(value, str) else value)}

    year = item["release_year"]
    return bool(
        (not wanted("genre") or wanted("genre") & {genre.lower() for genre in item["genres"]})
        and (not wanted("media_type") or item["media_type"].lower() in wanted("media_type"))
        and ("min_year" not in filters or (year is not None and year >= filters["min_year"]))
        and ("max_year" not in filters or (year is not None and year <= filters["max_year"]))
    )


@pytest.fixture(scope="module")
def rankings(client: FlaskClient, reference: Reference) -> dict[str, list[dict[str, Any]]]:
    """Return whole rankings without filters, by user."""
    return {user: whole_ranking(client, user) for user in reference.users[::25]}


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_a_filtered_ranking_is_the_whole_ranking_without_failing_items(
    client: FlaskClient, rankings: dict[str, list[dict[str, Any]]], filters: dict[str, Any]
) -> None:
    for user, ranking in rankings.items():
        whole = [item for item in ranking if passes(item, filters)]
        assert whole
        answer = get(client, user, limit=100, **filters)
        assert answer["recommendations"] == whole[:100]
        assert get(client, user, limit=5, offset=3, **filters)["recommendations"] == whole[3:8]


def test_excluded_items_make_room_for_the_next(client: FlaskClient, reference: Reference) -> None:
    user = reference.users[0]
    whole = whole_ranking(client, user)
    excluded = [whole[0]["id"].upper(), whole[3]["id"], "00000000-0000-4000-8000-000000000000"]
    answer = get(client, user, limit=10, exclude=excluded)
    assert answer["recommendations"] == [*whole[1:3], *whole[4:12]]


def test_a_filter_that_nothing_passes_gives_an_empty_page(client: FlaskClient, reference: Reference) -> None:
    for filters in ({"genre": "NO SUCH"}, {"media_type": "NO SUCH"}, {"min_year": 9999}):
        answer = get(client, reference.users[0], **filters)
        assert (answer["recommendations"], answer["degraded"]) == ([], [])


def test_items_without_type_or_year_pass_no_filter_by_them(databases: Urls) -> None:
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("UPDATE medias SET media_type = NULL, release_year = NULL")
    with running_client(databases, **NO_CAPS) as client:
        user = Reference(databases).users[0]
        assert len(ids(get(client, user))) == 10
        for filters in ({"media_type": "MOVIE"}, {"min_year": 1}, {"max_year": 9999}):
            assert ids(get(client, user, **filters)) == []


def test_a_batch_filters_as_single_requests_do(client: FlaskClient, reference: Reference) -> None:
    users = reference.users[:20]
    filters = {"genre": ["DRAMA", "WAR"], "min_year": 1990, "exclude": [ids(get(client, users[0]))[0]]}
    with recorded_statements() as runs:
        body = {"user_ids": users, "limit": 8, **filters}
        results = client.post("/api/recommendations/batch", json=body).get_json()["results"]
    assert len(runs) == 5
    for user in users:
        assert results[user]["recommendations"] == get(client, user, limit=8, **filters)["recommendations"]


def test_filters_hold_while_catalog_db_is_down(databases: Urls, outage: Outage) -> None:
    user = Reference(databases).users[0]
    with running_client(databases, **NO_CAPS) as client:
        before = get(client, user, genre="DRAMA")
        outage.stop(CATALOG)
        after = get(client, user, genre="DRAMA")
        assert (ids(after), after["degraded"]) == (ids(before), ["catalog_db"])
        # The items that pass have no cached details. An empty page would mean that no item passes.
        others = {"genre": "DRAMA", "exclude": ids(before)}
        assert client.get(f"/api/recommendations/{user}", query_string=others).status_code == 503


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("min_year=x", "min_year must be a whole number from 1 to 9999, got 'x'"),
        ("max_year=0", "max_year must be a whole number from 1 to 9999, got '0'"),
        ("min_year=2000&max_year=1999", "min_year must not be above max_year, got 2000 and 1999"),
        ("min_year=2000&min_year=2001", "min_year must be given once, got it 2 times"),
        (
            "genre=",
            (
                "each of genre must be of 1 to 100 characters, with a visible one; "
                "wrong at positions (from 0): 0"
            ),
        ),
        ("exclude=x", "each of exclude must be a UUID; wrong at positions (from 0): 0"),
        ("explain=yes", "explain must be true or false, got 'yes'"),
        ("&".join(f"genre={n}" for n in range(51)), "genre must hold 0 to 50 names, got 51"),
    ],
)
def test_an_invalid_filter_is_refused(client: FlaskClient, query: str, says: str) -> None:
    response = client.get(f"/api/recommendations/11111111-1111-4111-8111-111111111111?{query}")
    assert (response.status_code, response.get_json()["code"]) == (400, "invalid_parameter")
    assert response.get_json()["error"] == says
