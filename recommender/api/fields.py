"""Types of request fields: each validates a value, and describes itself in JSON Schema and in words."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from recommender.texts.ids import IdForm
from recommender.texts.names import MAX_NAME_CHARACTERS, shown_name

# Placeholder for the field's name in the message of a WrongValueError.
NAME = "<name>"
# Key of the validation context: values are strings of a query string.
FROM_QUERY = "from_query"

_DIGITS = re.compile(r"[0-9]{1,4000}")
_DECIMAL = re.compile(r"[01](?:\.[0-9]{1,20})?")
_SIGNED = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,20})?")
# Integers up to here are exact in a double.
_MAX_NUMBER = 999_999_999_999_999
_SHOWN_CHARACTERS = 60
_SHOWN_POSITIONS = 10
_FLAGS = {"true": True, "false": False}


class WrongValueError(ValueError):
    """A field does not allow the value; the message says what is allowed."""


class _Field(ABC):
    """Base of field types: validates for pydantic, and gives the JSON Schema."""

    @abstractmethod
    def validate(self, value: object, *, from_query: bool) -> object:
        """Return the value to use.

        Raises:
            WrongValueError: the field does not allow it.
        """

    @abstractmethod
    def json_schema(self) -> JsonSchemaValue:
        """Return the JSON Schema of the field."""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: object, info: core_schema.ValidationInfo[Any]) -> object:
            return self.validate(value, from_query=bool(info.context and info.context.get(FROM_QUERY)))

        return core_schema.with_info_plain_validator_function(check)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return self.json_schema()


@dataclass(frozen=True, slots=True)
class WholeNumber(_Field):
    """An integer from `least` to `most`; in a query string, digits."""

    least: int
    most: int

    def validate(self, value: object, *, from_query: bool) -> int:
        """Return the number."""
        number = int(value) if from_query and isinstance(value, str) and _DIGITS.fullmatch(value) else value
        # To JSON Schema 1.0 is an integer, and some languages write numbers only so.
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        # In Python, bool is a subclass of int.
        if type(number) is int and self.least <= number <= self.most:
            return number
        raise WrongValueError(
            f"{NAME} must be a whole number from {self.least} to {self.most}, got {shown(value)}"
        )

    def json_schema(self) -> JsonSchemaValue:
        """Return the schema of an integer in its range."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Number(_Field):
    """A finite number; in a query string, in decimal notation."""

    def validate(self, value: object, *, from_query: bool) -> float:
        """Return the number, as an int if it is written as one."""
        number = value
        if from_query and isinstance(value, str) and _SIGNED.fullmatch(value):
            number = float(value) if "." in value else int(value)
        if (
            isinstance(number, int | float)
            and not isinstance(number, bool)
            and -_MAX_NUMBER <= number <= _MAX_NUMBER
        ):
            return number
        raise WrongValueError(
            f"{NAME} must be a number from {-_MAX_NUMBER} to {_MAX_NUMBER}, such as 12 or 7.5, "
            f"got {shown(value)}"
        )

    def json_schema(self) -> JsonSchemaValue:
        """Return the schema of a number in its range."""
        return {"type": "number", "minimum": -_MAX_NUMBER, "maximum": _MAX_NUMBER}


@dataclass(frozen=True, slots=True)
class OneOfWords(_Field):
    """One of a fixed set of words."""

    words: tuple[str, ...]

    def validate(self, value: object, *, from_query: bool) -> str:  # noqa: ARG002 - the same in both
        """Return the word."""
        if isinstance(value, str) and value in self.words:
            return value
        raise WrongValueError(f"{NAME} must be {' or '.join(self.words)}, got {shown(value)}")

    def json_schema(self) -> JsonSchemaValue:
        """Return the schema of a string with these values."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Share(_Field):
    """A number from 0 to 1; in a query string, in decimal notation."""

    def validate(self, value: object, *, from_query: bool) -> float:
        """Return the number."""
        number = (
            float(value) if from_query and isinstance(value, str) and _DECIMAL.fullmatch(value) else value
        )
        if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 1:
            return float(number)
        raise WrongValueError(f"{NAME} must be a number from 0 to 1, such as 0.4, got {shown(value)}")

    def json_schema(self) -> JsonSchemaValue:
        """Return the schema of a number in its range."""
        return {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True)
class Flag(_Field):
    """A bool; in a query string, `true` or `false`."""

    def validate(self, value: object, *, from_query: bool) -> bool:
        """Return the bool."""
        flag = _FLAGS.get(value) if from_query and isinstance(value, str) else value
        if isinstance(flag, bool):
            return flag
        raise WrongValueError(f"{NAME} must be true or false, got {shown(value)}")

    def json_schema(self) -> JsonSchemaValue:
        """Return the schema of a boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Text(_Field):
    """A text of 1 to `most` characters."""

    most: int

    def validate(self, value: object, *, from_query: bool) -> str:  # noqa: ARG002 - the same in both
        """Return the text."""
        if isinstance(value, str) and 0 < len(value) <= self.most:
            return value
        raise WrongValueError(f"{NAME} must be a text of 1 to {self.most} characters, got {shown(value)}")

    def json_schema(self) -> JsonSchemaValue:
        """Return the schema of a string of that length."""
        return {"type": "string", "minLength": 1, "maxLength": self.most}


class _List(_Field):
    """A list of texts."""

    @staticmethod
    def texts(value: object, least: int, most: int, thing: str) -> list[str]:
        """Return the value if it is a list of texts of an allowed length."""
        if not isinstance(value, list) or (least and not value):
            raise WrongValueError(
                f"{NAME} must be a list with at least one {thing}" if least else f"{NAME} must be a list"
            )
        if len(value) > most:
            raise WrongValueError(f"{NAME} must hold {least} to {most} {thing}s, got {len(value)}")
        _refuse(value, lambda text: isinstance(text, str), "a string")
        return value


@dataclass(frozen=True, slots=True)
class Texts(_List):
    """Up to `most` short texts, such as names of genres."""

    most: int

    def validate(self, value: object, *, from_query: bool) -> tuple[str, ...]:  # noqa: ARG002 - the same in both
        """Return the distinct texts, in order."""
        texts = self.texts(value, 0, self.most, "name")
        _refuse(texts, _is_name, f"of 1 to {MAX_NAME_CHARACTERS} characters, with a visible one")
        return tuple(dict.fromkeys(texts))

    def json_schema(self) -> JsonSchemaValue:
        """Return the schema of an array of strings."""
        item = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARACTERS, "pattern": r"\S"}
        return {"type": "array", "items": item, "maxItems": self.most}


@dataclass(frozen=True, slots=True)
class Ids(_List):
    """A list of `least` to `most` ids of one form."""

    form: IdForm
    least: int
    most: int

    def validate(self, value: object, *, from_query: bool) -> tuple[str, ...]:  # noqa: ARG002 - the same in both
        """Return the distinct ids in canonical form, in order."""
        texts = self.texts(value, self.least, self.most, "id")
        ids = [self.form.canonical(text) for text in texts]
        _refuse(ids, lambda found: found is not None, self.form.words)
        return tuple(dict.fromkeys(found for found in ids if found is not None))

    def json_schema(self) -> JsonSchemaValue:
        """Return the schema of an array of ids."""
        bounds = {"minItems": self.least, "maxItems": self.most}
        return {"type": "array", "items": self.form.json_schema(), **bounds}


def shown(value: object) -> str:
    """Return a value for an error message, shortened if it is long."""
    # Lists may be nested deeper than the recursion limit of repr.
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    # As the body has them: Python has other words for these.
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _is_name(text: str) -> bool:
    """Return whether a text is at most as long as a name may be, and has a visible character."""
    return len(text) <= MAX_NAME_CHARACTERS and shown_name(text) != ""


def _refuse(values: Sequence[Any], is_right: Callable[[Any], bool], wanted: str) -> None:
    """Raise if any value is wrong, naming the positions."""
    wrong = [position for position, value in enumerate(values) if not is_right(value)]
    if wrong:
        listed = ", ".join(map(str, wrong[:_SHOWN_POSITIONS]))
        more = f" and {len(wrong) - _SHOWN_POSITIONS} more" if len(wrong) > _SHOWN_POSITIONS else ""
        raise WrongValueError(f"each of {NAME} must be {wanted}; wrong at positions (from 0): {listed}{more}")
