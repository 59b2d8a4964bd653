"""Spellings of a genre or a type that look alike are one name, wherever names are compared or shown."""

from collections.abc import Iterator

import psycopg
import pytest
from flask.testing import FlaskClient
from psycopg import sql

from recommender.entities import DatabaseName
from tests.support.agreement import assert_agrees
from tests.support.clients import NO_CAPS, get, running_client, whole_ranking
from tests.support.postgres import Templates, Urls
from tests.support.reference import Reference

USER, CATALOG, _ = DatabaseName

# In PostgreSQL's notation U&'...': one name, with a composed or a separate accent.
_SPELLINGS = (
    r"COM\00C9DIE NOIRE",
    r"com\00E9die noire ",
    r" Come\0301die  Noire",
    r"\00A0COME\0301DIE\0009noire\FEFF",
    r"Com\00C9die\2003\200BNoire\000A",
)
_BLANKS = ("", " ", r"\00A0\0009", r"\200B")
SHOWN = "Com\N{LATIN SMALL LETTER E WITH ACUTE}die Noire"
ASKED = ["comédie noire", " COME\u0301DIE\u00a0 NOIRE\u200b", SHOWN]


_SPELL = """
    INSERT INTO {table} SELECT {owner}, genre_name FROM {table} WHERE upper(genre_name) = 'DRAMA';
    UPDATE {table} SET genre_name = (ARRAY[{spellings}])[1 + floor(5 * random())::int]
    WHERE upper(genre_name) = 'DRAMA';
    INSERT INTO {table} SELECT DISTINCT {owner}, blank FROM {table}, unnest(ARRAY[{blanks}]) AS b (blank);
"""


def use_spellings(urls: Urls, name: DatabaseName, table: str, owner: str) -> None:
    """Write DRAMA in one or two other spellings for each owner, and add blank names."""
    spellings, blanks = (
        sql.SQL(", ").join(sql.SQL(f"U&'{name}'") for name in names) for names in (_SPELLINGS, _BLANKS)
    )
    statements = sql.SQL(_SPELL).format(
        table=sql.Identifier(table), owner=sql.Identifier(owner), spellings=spellings, blanks=blanks
    )
    with psycopg.connect(urls[name]) as connection:
        connection.execute("SELECT setseed(0.5)")
        connection.execute(statements)


@pytest.fixture(scope="module")
def dirty(templates: Templates) -> Iterator[Urls]:
    with templates.clone() as urls:
        use_spellings(urls, USER, "tb_user_genre", "user_id")
        use_spellings(urls, CATALOG, "tb_media_genre", "media_id")
        with psycopg.connect(urls[CATALOG]) as connection:
            connection.execute(
                r"UPDATE medias SET media_type = U&'\00A0Mini  s\00E9rie' WHERE media_type = 'SERIES' "
                "AND release_year % 2 = 0"
            )
            connection.execute(
                r"UPDATE medias SET media_type = U&'MINI SE\0301RIE ' WHERE media_type = 'SERIES'"
            )
            connection.execute("UPDATE medias SET media_type = ' ' WHERE release_year = 2015")
        yield urls


@pytest.fixture(scope="module")
def dirty_client(dirty: Urls) -> Iterator[FlaskClient]:
    with running_client(dirty, **NO_CAPS) as client:
        yield client


@pytest.fixture(scope="module")
def dirty_reference(dirty: Urls) -> Reference:
    return Reference(dirty)


def test_rankings_agree_with_the_definition(dirty_client: FlaskClient, dirty_reference: Reference) -> None:
    for user in dirty_reference.users[::6]:
        assert_agrees(whole_ranking(dirty_client, user), dirty_reference.rank(user))


def test_filters_find_every_spelling(dirty_client: FlaskClient, dirty_reference: Reference) -> None:
    with_genre = {
        item_id
        for item_id in dirty_reference.catalog
        if any("noire" in genre for genre in dirty_reference.genres_of_items.get(item_id, ()))
    }
    assert len(with_genre) >= 10
    for spelling in ASKED:
        response = dirty_client.get("/api/media/popular", query_string={"limit": 100, "genre": spelling})
        items = response.get_json()["media"]
        assert {item["id"] for item in items} == with_genre
        assert all(sum("noire" in genre.casefold() for genre in item["genres"]) == 1 for item in items)


def test_filters_find_every_spelling_of_a_type(dirty_client: FlaskClient) -> None:
    answers = [
        dirty_client.get("/api/media/popular", query_string={"limit": 100, "media_type": spelling}).get_json()
        for spelling in ("mini série", " MINI\u00a0SE\u0301RIE")
    ]
    assert answers[0] == answers[1]
    shown = {item["media_type"] for item in answers[0]["media"]}
    assert shown == {"Mini série", "MINI SÉRIE"}


def test_blank_names_are_ignored(dirty_client: FlaskClient, dirty_reference: Reference) -> None:
    for user in dirty_reference.users[::20]:
        answer = get(dirty_client, user, limit=100, explain="true")
        stated = answer["basis"]["stated_genres"]
        assert len(stated) == len(dirty_reference.genres_of_user.get(user, ()))
        for item in answer["recommendations"]:
            names = [*item["genres"], *item["matched_genres"], *stated]
            assert all(name == " ".join(name.split()) != "" for name in names)
            assert item["media_type"] is None or item["media_type"].strip()
            assert "it has ," not in item["reason"]


def test_explanations_name_a_genre_as_the_catalog_shows_it(
    dirty_client: FlaskClient, dirty_reference: Reference
) -> None:
    named = 0
    for user in dirty_reference.users[::10]:
        for item in get(dirty_client, user, limit=100, explain="true")["recommendations"]:
            assert set(item["matched_genres"]) <= set(item["genres"])
            named += "noire" in item["reason"].casefold()
    assert named > 0


@pytest.mark.parametrize("spelling", ASKED)
def test_previews_know_every_spelling(dirty_client: FlaskClient, spelling: str) -> None:
    body = {"genres": [spelling, ASKED[0], "comédie  NOIRE"], "explain": True, "limit": 100}
    answer = dirty_client.post("/api/recommendations/preview", json=body).get_json()
    assert len(answer["basis"]["stated_genres"]) == 1
    assert answer["recommendations"][0]["content_score"] == 1.0


def test_a_name_without_a_visible_character_is_refused(dirty_client: FlaskClient) -> None:
    for name in ("\u200b", " \ufeff\u00a0"):
        body = {"genres": ["Drama", name]}
        response = dirty_client.post("/api/recommendations/preview", json=body)
        assert response.status_code == 400
        assert response.get_json()["error"].endswith("wrong at positions (from 0): 1")


def test_the_explorer_shows_each_stated_genre_once(
    dirty_client: FlaskClient, dirty_reference: Reference
) -> None:
    user = next(
        user for user, stated in dirty_reference.genres_of_user.items() if any("noire" in g for g in stated)
    )
    html = dirty_client.get(f"/explorer/users/{user}").text
    chips = html.partition('<ul class="chips">')[2].partition("</ul>")[0]
    assert chips.count("<li") == len(dirty_reference.genres_of_user[user])
    assert "<li></li>" not in chips
