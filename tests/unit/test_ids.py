"""Ids are known in the form in which databases have them."""

import pytest

from recommender.ids import IdForm


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("(?i)[a-z]+", "ABC", "abc"),
        ("[a-z]+", "ABC", None),
        (".+", "Ü 💥", "Ü 💥"),
        # What Python makes of an argument that is no UTF-8.
        (".+", "\udcff", None),
    ],
)
def test_an_id_is_of_the_form_or_none(pattern: str, text: str, expected: str | None) -> None:
    assert IdForm.of_pattern(pattern).canonical(text) == expected
