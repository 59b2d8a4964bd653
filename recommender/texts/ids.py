"""Forms of ids, and their canonical spelling."""

import re
from dataclasses import dataclass
from typing import Self

from config.request_settings import UUID_PATTERN

_FLAGS = re.compile(r"\(\?[aiLmsux]+\)")
# The pieces of a pattern that match one character, among others: a set, an escape, or a single character.
_PIECES = re.compile(
    r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)|.",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class IdForm:
    """The form of ids. If the pattern ignores case, the databases hold them in lower case."""

    pattern: re.Pattern[str]

    @classmethod
    def of_pattern(cls, pattern: str) -> Self:
        """Return the form of ids that a regular expression describes."""
        return cls(re.compile(pattern))

    @property
    def words(self) -> str:
        """The form in the words of an error message."""
        return "a UUID" if self.pattern.pattern == UUID_PATTERN else f"of the form {self.pattern.pattern}"

    @property
    def admits_slash(self) -> bool:
        """Whether a part of the pattern matches `/`, so that ids may hold one."""
        return any(map(_matches_slash, _PIECES.findall(self.pattern.pattern)))

    def canonical(self, text: str) -> str | None:
        """Return the spelling of an id in the databases, or None if they cannot have it."""
        if not self.pattern.fullmatch(text) or not _is_storable(text):
            return None
        # A pattern that ignores case admits several spellings of one id.
        return text.lower() if self.pattern.flags & re.IGNORECASE else text

    def json_schema(self) -> dict[str, str]:
        """Return the JSON Schema of a string of this form."""
        if self.pattern.pattern == UUID_PATTERN:
            return {"type": "string", "format": "uuid"}
        if _FLAGS.match(self.pattern.pattern):
            # JSON Schema's patterns have no flags, without which this pattern would mean something else.
            return {"type": "string", "description": self.words}
        return {"type": "string", "pattern": f"^(?:{self.pattern.pattern})$"}


def _is_storable(text: str) -> bool:
    """Return whether PostgreSQL can hold a text: without NUL, nor surrogates, as from invalid UTF-8."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _matches_slash(piece: str) -> bool:
    try:
        return re.fullmatch(piece, "/") is not None
    except re.error:
        # A parenthesis, a quantifier or a reference, which is no pattern by itself.
        return False
