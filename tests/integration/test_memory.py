"""A worker's memory depends neither on the length of texts nor on the number of an item's genres."""

import tracemalloc
from collections.abc import Iterator

import psycopg
import pytest

from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, PATIENT, get, running_client
from tests.support.postgres import Templates, Urls
from tests.support.reference import Reference

USER, CATALOG, _ = DatabaseName
LONG = 5_000_000
# For 20 items with 10 and 5 MB in two texts, 300 MB in all. A request alone takes 2 to 3 MB.
MAX_PEAK_BYTES = 12_000_000


@pytest.fixture(scope="module")
def long_texts(templates: Templates) -> Iterator[Urls]:
    """Create databases in which 20 items have long texts and a long genre. No test changes them."""
    with templates.clone() as urls:
        lengthen_texts(urls)
        yield urls


def lengthen_texts(urls: Urls) -> None:
    with psycopg.connect(urls[CATALOG]) as connection:
        for column in ("title", "media_type", "cover_url", "release_year"):
            type_name = "numeric" if column == "release_year" else "text"
            connection.execute(f"ALTER TABLE medias ALTER {column} TYPE {type_name}".encode())
        connection.execute("ALTER TABLE tb_media_genre ALTER genre_name TYPE text")
        connection.execute(
            "UPDATE medias SET title = repeat('é', %(long)s), description = repeat('x', %(long)s), "
            "cover_url = 'https://x/' || repeat('y', %(long)s), media_type = 'Movie' || repeat('z', 1000), "
            "release_year = 3e9 WHERE id IN (SELECT id FROM medias ORDER BY id LIMIT 20)",
            {"long": LONG},
        )
        connection.execute(
            "INSERT INTO tb_media_genre SELECT id, 'Genre ' || repeat('w', 1000) FROM medias "
            "WHERE release_year = 3e9"
        )


def test_long_texts_are_cut_before_they_are_sent(long_texts: Urls) -> None:
    with psycopg.connect(long_texts[CATALOG]) as connection:
        rows = connection.execute("SELECT id::text FROM medias WHERE release_year = 3e9").fetchall()
    long = {item_id for (item_id,) in rows}
    with running_client(long_texts, **NO_CAPS, **PATIENT) as client:
        get(client, "00000000-0000-4000-8000-000000000000")
        tracemalloc.start()
        try:
            items = {
                item["id"]: item
                for offset in (0, 100)
                for item in client.get(f"/api/media/popular?limit=100&offset={offset}").get_json()["media"]
            }
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < MAX_PEAK_BYTES
    shown = [items[item_id] for item_id in sorted(long & items.keys())]
    assert len(shown) > 10
    for item in shown:
        assert item["title"] == "é" * 500
        assert item["description"] == "x" * 5_000
        assert item["media_type"] == "Movie" + "z" * 95
        assert (item["cover_url"], item["release_year"]) == (None, None)


def test_an_item_is_found_by_the_shown_part_of_a_long_text(long_texts: Urls) -> None:
    with running_client(long_texts, **NO_CAPS, **PATIENT) as client:
        for parameter, name in (("genre", "Genre " + "w" * 94), ("media_type", "Movie" + "z" * 95)):
            query = {"limit": 100, parameter: name}
            found = client.get("/api/media/popular", query_string=query).get_json()["media"]
            assert len(found) > 10
            assert all(name in (*item["genres"], item["media_type"]) for item in found)


def test_no_item_and_no_user_has_more_than_a_hundred_genres(databases: Urls) -> None:
    user = min(Reference(databases).genres_of_user)
    with psycopg.connect(databases[USER]) as connection:
        connection.execute(
            "INSERT INTO tb_user_genre SELECT %s, 'A genre ' || n FROM generate_series(1, 20000) AS n",
            (user,),
        )
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute(
            "INSERT INTO tb_media_genre SELECT id, 'A genre ' || n "
            "FROM (SELECT id FROM medias ORDER BY id LIMIT 3) AS m, generate_series(1, 20000) AS n"
        )
    with running_client(databases, **NO_CAPS, **PATIENT) as client:
        answer = get(client, user, explain="true", limit=100)
    first = sorted(f"A genre {number}" for number in range(1, 20_001))[:100]
    assert answer["basis"]["stated_genres"] == first
    shown = [item["genres"] for item in answer["recommendations"] if item["content_score"] == 1.0]
    assert shown
    assert all(genres == first for genres in shown)
