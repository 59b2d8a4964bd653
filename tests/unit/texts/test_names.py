"""Spellings of a name that look alike have one key, and one of them is shown."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.texts.labels import name_of
from recommender.texts.names import MAX_NAME_CHARACTERS, distinct_names, is_blank, name_key, shown_name

DIRT = st.text("abcÉéßİΣς _-\u017f\u0301\u0307\u0345\u00a0\u2009\u200b\u2060\ufeff\t\n\x1f", max_size=12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Drama ", " DRAMA"),
        ("Science Fiction", "science\u00a0\t fiction"),
        ("Com\u00e9die", "COME\u0301DIE"),
        ("\ufeffWar", "war\u200b"),
        ("STRASSE", "straße"),
        ("\u1fb3\u0301", "\u03b1\u0301\u0345"),
    ],
)
def test_spellings_that_look_alike_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"), [("Sci-Fi", "SciFi"), ("War", "Warm"), ("SCIENCE_FICTION", "Science Fiction")]
)
def test_other_names_have_other_keys(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(DIRT | st.text(max_size=12))
def test_a_shown_name_is_one_of_its_spellings_and_is_not_changed_again(text: str) -> None:
    shown = shown_name(text)
    assert shown_name(shown) == shown
    assert name_key(shown) == name_key(text) == name_key(name_key(text))
    assert unicodedata.is_normalized("NFC", shown)
    assert shown == " ".join(shown.split())
    assert is_blank(text) == (shown == "")


@given(st.lists(DIRT, max_size=6))
def test_the_shown_spelling_does_not_depend_on_the_order(names: list[str]) -> None:
    found = distinct_names(names)
    assert list(found) == sorted({name_key(name) for name in names} - {""})
    for order in itertools.islice(itertools.permutations(names), 24):
        assert list(distinct_names(order).items()) == list(found.items())


def test_names_without_a_visible_character_are_ignored() -> None:
    assert distinct_names(["", " ", "\u00a0\t", "\u200b", "\ufeff \u2060"]) == {}
    assert distinct_names(None) == {}


def test_a_name_of_any_length_has_a_key() -> None:
    long = "É" * (MAX_NAME_CHARACTERS + 1)
    assert name_key(f" {long}") == name_key(unicodedata.normalize("NFD", long).lower())


def test_a_name_of_underscores_alone_is_still_shown() -> None:
    assert name_of("_") == "_"
