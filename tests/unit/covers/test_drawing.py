"""Drawn covers: always the same, always well-formed, and never more than a picture."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.covers.drawing import KNOWN_GENRES, cover_svg
from recommender.covers.motifs import MOTIFS
from recommender.covers.palettes import PALETTES
from recommender.covers.urls import cover_url
from recommender.demo.generate import GENRES

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {
    f"{SVG}{name}" for name in ("svg", "g", "circle", "rect", "polygon", "path", "clipPath", "text", "tspan")
}


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own


def title_of(svg: str) -> str:
    return " ".join(span.text or "" for span in parsed(svg).iter(f"{SVG}tspan"))


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_every_genre_of_the_demo_has_pictures_and_colours() -> None:
    assert set(GENRES) <= set(KNOWN_GENRES) == set(MOTIFS) == set(PALETTES)


@pytest.mark.parametrize("genre", KNOWN_GENRES)
def test_the_same_medium_gets_the_same_cover_and_others_get_others(genre: str) -> None:
    covers = [cover_svg(f"medium {number}", "A Title", genre, 2024) for number in range(20)]
    assert covers == [cover_svg(f"medium {number}", "A Title", genre, 2024) for number in range(20)]
    assert len(set(covers)) == 20


@pytest.mark.parametrize("genre", KNOWN_GENRES)
def test_writing_stands_out_from_what_is_behind_it(genre: str) -> None:
    for colours in PALETTES[genre]:
        assert contrast(colours.ground, colours.ink) >= 4.5, colours
        assert contrast(colours.foot, colours.title) >= 4.5, colours


def test_a_genre_is_known_however_it_is_written() -> None:
    for written in ("Science Fiction", "science_fiction", "Sci-Fi", "SCIFI"):
        label = written.replace("_", " ").upper()
        known = cover_svg("x", "T", "SCIENCE_FICTION", None).replace("SCIENCE FICTION", label)
        assert cover_svg("x", "T", written, None) == known
    assert cover_svg("x", "T", "Kitchen sink", None) == cover_svg("x", "T", "Kitchen sink", None)


@settings(max_examples=300, deadline=None, database=None)
@given(
    media_id=st.text(max_size=40),
    title=st.text(max_size=300)
    | st.sampled_from(["<script>alert(1)</script>", '" onload="alert(1)', "]]>", "&lt;", "A" * 300]),
    genre=st.text(max_size=40) | st.sampled_from(KNOWN_GENRES),
    year=st.none() | st.integers(0, 9999),
)
def test_whatever_it_is_made_of_it_is_a_picture(
    media_id: str, title: str, genre: str, year: int | None
) -> None:
    root = parsed(cover_svg(media_id, title, genre, year))
    for element in root.iter():
        assert element.tag in DRAWN
        assert not [name for name in element.attrib if name.startswith("on") or name.endswith("href")]
    if title.isprintable():
        assert root.get("aria-label") == (title or "Cover")


@pytest.mark.parametrize(
    "title",
    ["Up", "The Quantum Eclipse", "Trench Battalion in the Ninth Ward", "Rosencrantz and Guildenstern"],
)
def test_a_title_is_written_in_full(title: str) -> None:
    assert title_of(cover_svg("x", title, "DRAMA", 1999)) == title


def test_a_title_without_end_is_cut() -> None:
    shown = title_of(cover_svg("x", "word " * 80, "DRAMA", 1999))
    assert shown.endswith("word…")
    assert len(shown) < 150


@given(media_id=st.text(max_size=60), title=st.text(max_size=300))
@settings(max_examples=100, deadline=None, database=None)
def test_addresses_of_covers_are_short_and_of_one_path_segment(media_id: str, title: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in media_id + title):
        return
    path, _, query = cover_url(media_id, title, "DRAMA", 2024).partition("?")
    assert path.startswith("/explorer/covers/")
    assert path.count("/") == 3
    assert len(query) < 1_300
