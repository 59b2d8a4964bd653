"""Placeholder covers are the same for the same item, well-formed, and only a picture."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recommender.demo.generate import GENRES
from recommender.placeholders.drawing import HUES, MOTIFS, palette, placeholder_svg
from recommender.placeholders.urls import placeholder_url

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


def test_every_genre_of_the_demo_has_a_color() -> None:
    assert {genre.replace("_", "") for genre in GENRES} <= set(HUES)


def test_genres_differ_in_color_and_items_of_one_genre_in_their_picture() -> None:
    grounds = {palette(HUES[genre.replace("_", "")], is_dark=True).ground for genre in GENRES}
    assert len(grounds) == len(GENRES)
    shapes = {placeholder_svg(f"medium {number}", "T", "DRAMA", None).count("<path") for number in range(20)}
    assert len(shapes) > 1
    assert len(MOTIFS) > 3


@pytest.mark.parametrize("genre", [*GENRES, "Kitchen sink", ""])
def test_the_same_item_gets_the_same_cover_and_others_get_others(genre: str) -> None:
    covers = [placeholder_svg(f"medium {number}", "A Title", genre, 2024) for number in range(20)]
    assert covers == [placeholder_svg(f"medium {number}", "A Title", genre, 2024) for number in range(20)]
    assert len(set(covers)) == 20


@pytest.mark.parametrize("is_dark", [False, True])
def test_text_has_enough_contrast_in_every_color(*, is_dark: bool) -> None:
    for hue in range(360):
        colors = palette(hue, is_dark=is_dark)
        assert contrast(colors.ground, colors.ink) >= 4.5, colors


def test_a_genre_is_recognized_in_any_spelling() -> None:
    for written in ("Science Fiction", "science_fiction", "Sci-Fi", "SCIFI"):
        label = written.replace("_", " ").upper()
        known = placeholder_svg("x", "T", "SCIENCE_FICTION", None).replace("SCIENCE FICTION", label)
        assert placeholder_svg("x", "T", written, None) == known
    assert placeholder_svg("x", "T", "Kitchen sink", None) == placeholder_svg("x", "T", "Kitchen sink", None)


@settings(max_examples=3 * settings().max_examples)
@given(
    item_id=st.text(max_size=40),
    title=st.text(max_size=300)
    | st.sampled_from(["<script>alert(1)</script>", '" onload="alert(1)', "]]>", "&lt;", "A" * 300]),
    genre=st.text(max_size=40) | st.sampled_from(GENRES),
    year=st.none() | st.integers(0, 9999),
)
def test_any_input_gives_a_valid_picture(item_id: str, title: str, genre: str, year: int | None) -> None:
    root = parsed(placeholder_svg(item_id, title, genre, year))
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
    assert title_of(placeholder_svg("x", title, "DRAMA", 1999)) == title


def test_a_very_long_title_is_cut() -> None:
    shown = title_of(placeholder_svg("x", "word " * 80, "DRAMA", 1999))
    assert shown.endswith("word…")
    assert len(shown) < 150


@given(item_id=st.text(max_size=60), title=st.text(max_size=300))
@example(item_id="movie/603", title="T")
def test_addresses_of_covers_are_short_and_of_one_path_segment(item_id: str, title: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in item_id + title):
        return
    path, _, query = placeholder_url(item_id, title, "DRAMA", 2024).partition("?")
    assert path.startswith("/explorer/covers/")
    assert path.count("/") == 3
    # Servers decode it before they look the path up.
    assert "%2F" not in path
    assert len(query) < 1_300
