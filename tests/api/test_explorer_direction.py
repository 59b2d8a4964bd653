"""Tests that right-to-left text of the databases does not affect the rest of the explorer's pages."""

from collections.abc import Iterator
from urllib.parse import quote
from xml.etree import ElementTree as ET

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, PATIENT, get, running_client
from tests.support.direction import CONTROLS, directions
from tests.support.postgres import Templates, Urls
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName
# Closes an isolate that it did not open, then opens one that it does not close.
TURNING = "\u2069\u202c\u2069\u202e\u2067\u202d"


@pytest.fixture(scope="module")
def urls(templates: Templates) -> Iterator[Urls]:
    """Create databases in which every text has this prefix."""
    with templates.clone() as urls:
        _execute(urls[USER], "UPDATE tb_user_genre SET genre_name = %s || genre_name")
        _execute(urls[CATALOG], "UPDATE tb_media_genre SET genre_name = %s || genre_name")
        _execute(urls[CATALOG], "UPDATE medias SET title = %s || title")
        _execute(urls[CATALOG], "UPDATE medias SET description = %s || description")
        _execute(urls[CATALOG], "UPDATE medias SET media_type = %s || media_type")
        _execute(
            urls[ENGAGEMENT], "UPDATE interaction SET type = %s || type WHERE type NOT IN ('LIKE', 'WATCH')"
        )
        yield urls


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode(), (TURNING,))


@pytest.fixture(scope="module")
def turned_client(urls: Urls) -> Iterator[FlaskClient]:
    with running_client(urls, **NO_CAPS, **PATIENT) as client:
        yield client


@pytest.fixture(scope="module")
def user(urls: Urls) -> str:
    reference = Reference(urls)
    return next(
        user
        for user in sorted(reference.seen)
        if reference.genres_of_user.get(user) and 8 < len(reference.seen[user]) < 40
    )


def test_every_text_of_a_database_is_isolated_and_balanced(turned_client: FlaskClient, user: str) -> None:
    answer = get(turned_client, user, explain="true")
    assert TURNING in answer["recommendations"][0]["title"]
    assert any(TURNING in item["reason"] for item in answer["recommendations"])
    item_id = answer["recommendations"][0]["id"]
    for path in (
        "/explorer/users",
        f"/explorer/users?q=%C3%A9{quote(TURNING)}x",
        f"/explorer/users/{user}",
        f"/explorer/users/{user}/recommendations",
        f"/explorer/users/{quote(TURNING)}",
        f"/explorer/media/{item_id}/similar",
    ):
        isolated, loose = directions(turned_client.get(path).text)
        assert (path, loose) == (path, [])
        # Error messages escape the requested id.
        assert isolated or path.endswith(quote(TURNING)), path


def test_a_cover_holds_no_bidi_controls(turned_client: FlaskClient) -> None:
    title, genre = quote("Turn\u202eed \u2067אבג!"), quote("Dra\u202ema")
    svg = turned_client.get(f"/explorer/covers/x.svg?title={title}&genre={genre}").text
    assert not set(svg) & CONTROLS
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert root.attrib["aria-label"] == "Turned אבג!"
    spans = list(root.iter("{http://www.w3.org/2000/svg}tspan"))
    assert [span.text for span in spans] == ["Turned אבג!"]
    assert {span.attrib["unicode-bidi"] for span in spans} == {"plaintext"}
    assert ">DRAMA<" in svg
