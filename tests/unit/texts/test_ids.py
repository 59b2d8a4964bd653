"""Ids are converted to the form that the databases have."""

import pytest

from config.request_settings import UUID_PATTERN
from recommender.texts.ids import IdForm


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("(?i)[a-z]+", "ABC", "abc"),
        ("[a-z]+", "ABC", None),
        (".+", "Ü 💥", "Ü 💥"),
        # Python's form of an argument that is not UTF-8.
        (".+", "\udcff", None),
        # PostgreSQL's text cannot hold it.
        ("[^/]+", "a\0b", None),
    ],
)
def test_an_id_has_the_form_or_is_none(pattern: str, text: str, expected: str | None) -> None:
    assert IdForm.of_pattern(pattern).canonical(text) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "movie/[0-9]+",
        r"movie\/[0-9]+",
        r"[a-z]+\x2f[0-9]+",
        "[^ ]{1,64}",
        r"[^\s]{1,64}",
        r"\S+",
        r"[\]/]+",
        "[]/]+",
        "[!-~]+",
        ".+",
        "(?s)(?:a|.)+",
    ],
)
def test_a_form_says_that_its_ids_may_hold_a_slash(pattern: str) -> None:
    assert IdForm.of_pattern(pattern).admits_slash


@pytest.mark.parametrize(
    "pattern",
    [
        UUID_PATTERN,
        "[1-9][0-9]{0,18}",
        "[A-Za-z0-9_-]{1,64}",
        "[^/]+",
        r"[^\s/]+",
        r"\w+",
        r"\.+",
        r"(a)(?P<b>[^\]/])(?P=b)\1{2,3}",
    ],
)
def test_a_form_says_that_its_ids_hold_no_slash(pattern: str) -> None:
    assert not IdForm.of_pattern(pattern).admits_slash
