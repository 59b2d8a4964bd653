"""A list of users names those of its file or databases, and no others, whatever the form of ids admits."""

from io import BytesIO
from pathlib import Path

import pytest

from recommender.batch.users import InvalidIds, ids_in, merged, read_list, write_list
from recommender.texts.ids import IdForm

# A form that admits nearly any text.
ANY = IdForm.of_pattern(r"[^/]+")


def faults(invalid: InvalidIds) -> list[str]:
    return [f"{each.line}: {each.shown} {each.fault}" for each in invalid.first]


def test_an_id_with_a_line_break_is_no_other_user(tmp_path: Path) -> None:
    invalid = InvalidIds(10)
    user_ids = ["a\nb", "a\rb", "abc\n", "b"]
    summary = write_list(merged([user_ids], ANY, invalid), tmp_path / "list", invalid)
    ((listed, _),) = read_list(tmp_path / "list", 0, 10)
    assert listed == ["a\rb", "b"]
    assert (summary.users, summary.invalid) == (2, 2)
    assert faults(invalid) == [r"1: 'a\nb' has a line break", r"3: 'abc\n' has a line break"]


@pytest.mark.parametrize("line", [b"caf\xe9", b"\xff", b"\xed\xa0\x80"])
def test_a_line_that_is_not_utf_8_is_no_id(line: bytes) -> None:
    invalid = InvalidIds(10)
    assert list(ids_in(BytesIO(b"\xef\xbb\xbfa\n" + line + b"\nb\n"), ANY, invalid)) == ["a", "b"]
    assert [each.line for each in invalid.first] == [2]
    assert faults(invalid)[0].endswith("is not UTF-8")


def test_an_id_of_another_form_is_named_with_the_form() -> None:
    invalid = InvalidIds(10)
    assert list(ids_in(BytesIO(b"a/b\n"), ANY, invalid)) == []
    assert faults(invalid) == ["1: 'a/b' is not of the form [^/]+"]
