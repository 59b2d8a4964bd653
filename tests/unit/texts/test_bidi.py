"""Text with bidi controls does not change the direction of the text around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.texts.bidi import BIDI_CONTROLS, balanced, isolated, without_controls
from tests.support.direction import is_balanced

TEXTS = st.text(st.sampled_from(["a", "א", "1", "\n", "\u2029", "\x1c", *sorted(BIDI_CONTROLS)]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Amélie", "Amélie"),
        ("אבג", "אבג"),
        ("\u200eמ\u200f!", "\u200eמ\u200f!"),
        ("\u202bמ\u202c!", "\u202bמ\u202c!"),
        ("a\u202eb", "a\u202eb\u202c"),
        ("a\u2067b", "a\u2067b\u2069"),
        ("a\u2069\u202c\u202eb", "a\u202eb\u202c"),
        ("\u202d\u2066\u202e", "\u202d\u2066\u202e\u202c\u2069\u202c"),
        ("\u2066\u202ea\u2069b\u202c", "\u2066\u202ea\u2069b"),
        ("\u202ea\u2029b\u202c", "\u202ea\u202c\nb"),
    ],
)
def test_every_direction_that_is_begun_ends_and_no_other(text: str, expected: str) -> None:
    assert balanced(text) == expected


@given(TEXTS)
def test_any_text_can_be_balanced_and_is_not_changed_again(text: str) -> None:
    once = balanced(text)
    assert is_balanced(once)
    assert balanced(once) == once
    assert without_controls(once).split() == without_controls(text).split()


@given(TEXTS)
def test_isolated_text_is_of_one_line_and_cannot_end_its_isolate(text: str) -> None:
    alone = isolated(text)
    assert "\n" not in alone
    assert is_balanced(alone)
    assert alone.isascii() or is_balanced(alone[1:-1])


def test_a_balanced_text_is_made_in_time_proportional_to_its_length() -> None:
    text = "\u2066\u202e" * 200_000
    assert balanced(text) == text + "\u202c\u2069" * 200_000
