"""Each type of request field accepts valid values, and refuses others with a message."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError

from config.request_settings import UUID_PATTERN
from recommender.api.fields import FROM_QUERY, Flag, Ids, Share, Text, Texts, WholeNumber
from recommender.texts.ids import IdForm

ID = "11111111-1111-4111-8111-11111111111a"


class Asked(BaseModel):
    number: Annotated[int, WholeNumber(1, 9)] = 1
    share: Annotated[float, Share()] = 0.0
    flag: Annotated[bool, Flag()] = False
    text: Annotated[str, Text(3)] = "x"
    texts: Annotated[tuple[str, ...], Texts(2)] = ()
    ids: Annotated[tuple[str, ...], Ids(IdForm.of_pattern(UUID_PATTERN), 1, 2)] = ()


def read(value: object, name: str, *, query: bool) -> Any:
    return getattr(Asked.model_validate({name: value}, context={FROM_QUERY: True} if query else None), name)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("number", "9", 9),
        ("number", "01", 1),
        ("share", "0.25", 0.25),
        ("share", "1", 1.0),
        ("flag", "true", True),
        ("text", "abc", "abc"),
        ("texts", ["b", "b"], ("b",)),
        ("ids", [ID.upper(), ID], (ID,)),
    ],
)
def test_a_query_string_is_read(name: str, value: object, found: object) -> None:
    assert read(value, name, query=True) == found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("number", 9, 9),
        ("number", 9.0, 9),
        ("share", 1, 1.0),
        ("share", 0.5, 0.5),
        ("flag", True, True),
        ("texts", [], ()),
    ],
)
def test_a_body_is_read(name: str, value: object, found: object) -> None:
    assert read(value, name, query=False) == found


@pytest.mark.parametrize(
    ("name", "value", "query", "words"),
    [
        ("number", "0", True, "<name> must be a whole number from 1 to 9, got '0'"),
        ("number", "9" * 5_000, True, "must be a whole number"),
        ("number", "+1", True, "must be a whole number"),
        ("number", "\uff11", True, "must be a whole number"),
        ("number", True, False, "must be a whole number"),
        ("number", "1", False, "must be a whole number"),
        ("number", 1.5, False, "must be a whole number"),
        ("number", 10.0, False, "must be a whole number"),
        ("number", float("inf"), False, "must be a whole number"),
        ("number", "1.0", True, "must be a whole number"),
        ("share", "1.1", True, "<name> must be a number from 0 to 1, such as 0.4, got '1.1'"),
        ("share", "1e0", True, "must be a number"),
        ("share", float("nan"), False, "must be a number"),
        ("share", False, False, "must be a number"),
        ("flag", "True", True, "<name> must be true or false, got 'True'"),
        ("flag", 1, False, "must be true or false"),
        ("text", "", True, "<name> must be a text of 1 to 3 characters, got ''"),
        ("text", "abcd", True, "must be a text"),
        ("text", None, False, "must be a text"),
        ("texts", "a", False, "<name> must be a list"),
        ("texts", ["a", "b", "c"], False, "<name> must hold 0 to 2 names, got 3"),
        ("texts", ["a", 1], False, "each of <name> must be a string; wrong at positions (from 0): 1"),
        (
            "texts",
            [" ", "a"],
            False,
            "of 1 to 100 characters, with a visible one; wrong",
        ),
        ("ids", [], False, "<name> must be a list with at least one id"),
        ("ids", ["x"], False, "each of <name> must be a UUID; wrong at positions (from 0): 0"),
        ("ids", [[ID]], False, "each of <name> must be a string"),
    ],
)
def test_invalid_values_are_refused_with_a_message(
    name: str,
    value: object,
    query: bool,  # noqa: FBT001 - a parameter of the test
    words: str,
) -> None:
    with pytest.raises(ValidationError) as caught:
        read(value, name, query=query)
    assert words in str(caught.value.errors()[0]["ctx"]["error"])
