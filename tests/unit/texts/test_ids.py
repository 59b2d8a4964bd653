"""Ids are converted to the form that the databases have."""

import pytest

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
