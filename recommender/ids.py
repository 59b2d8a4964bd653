"""Ids as people and programs write them."""

import re
from dataclasses import dataclass
from typing import Self

from config.request_settings import UUID_PATTERN

_FLAGS = re.compile(r"\(\?[aiLmsux]+\)")


@dataclass(frozen=True, slots=True)
class IdForm:
    """What ids look like. Where the pattern ignores case, the databases know them in lower case."""

    pattern: re.Pattern[str]

    @classmethod
    def of_pattern(cls, pattern: str) -> Self:
        """Return the form of ids that a regular expression describes."""
        return cls(re.compile(pattern))

    @property
    def words(self) -> str:
        """The form as an error message puts it."""
        return "a UUID" if self.pattern.pattern == UUID_PATTERN else f"of the form {self.pattern.pattern}"

    def canonical(self, text: str) -> str | None:
        """The form of an id that the databases know, or None where it does not match the pattern."""
        if not self.pattern.fullmatch(text) or _has_surrogates(text):
            return None
        # A pattern that ignores case admits several spellings of one id.
        return text.lower() if self.pattern.flags & re.IGNORECASE else text

    def json_schema(self) -> dict[str, str]:
        """A string of this form."""
        if self.pattern.pattern == UUID_PATTERN:
            return {"type": "string", "format": "uuid"}
        if _FLAGS.match(self.pattern.pattern):
            # JSON Schema's patterns know no flags, and without them this one would say something else.
            return {"type": "string", "description": self.words}
        return {"type": "string", "pattern": f"^(?:{self.pattern.pattern})$"}


def _has_surrogates(text: str) -> bool:
    """Whether a text holds what was no UTF-8, as an argument of a command may: no database has such an id."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
