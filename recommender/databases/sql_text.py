"""The lexical side of SQL: where comments, literals and statements begin and end."""

import re
from collections.abc import Iterator
from typing import NamedTuple

# Stretches in which a search for parameters or semicolons must not look, delimited as in PostgreSQL's own
# scanner. A quote that is not closed runs to the end of the text.
_OPAQUE = re.compile(
    r"""
    (?P<line>--[^\n]*)
    | (?P<block>/\*)
    | (?<![\w$])[eE]'(?:[^'\\]|''|\\.)*(?P<escaped>'|\Z)
    | '(?:[^']|'')*(?P<plain>'|\Z)
    | "(?:[^"]|"")*(?P<name>"|\Z)
    | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?P<dollar>\$(?P=tag)\$|\Z)
    """,
    re.DOTALL | re.VERBOSE,
)
_QUOTES = ("escaped", "plain", "name", "dollar")
_BLOCK_EDGE = re.compile(r"/\*|\*/")
# pg_hint_plan reads these comments.
_HINT = "/*+"


class UnfinishedError(ValueError):
    """A comment or a quote is not closed."""


class Token(NamedTuple):
    """A stretch of SQL. `is_comment`: not sent to the server. `is_opaque`: a literal, quoted name or hint."""

    text: str
    is_comment: bool = False
    is_opaque: bool = False


def tokens(text: str) -> Iterator[Token]:
    """Split SQL into comments, opaque stretches and the rest; joined, they give the text again.

    Raises:
        UnfinishedError: a comment or a quote is not closed.
    """
    place = 0
    while (found := _OPAQUE.search(text, place)) is not None:
        if found.start() > place:
            yield Token(text[place : found.start()])
        is_hint = text.startswith(_HINT, found.start())
        is_comment = bool(found["line"] or found["block"]) and not is_hint
        if any(found[quote] == "" for quote in _QUOTES):
            raise UnfinishedError(f"the quote in line {_line(text, found.start())} is not closed")
        end = _block_end(text, found.start()) if found["block"] else found.end()
        yield Token(text[found.start() : end], is_comment, not is_comment)
        place = end
    if place < len(text):
        yield Token(text[place:])


def _block_end(text: str, start: int) -> int:
    """Return where the block comment that begins at `start` ends; block comments nest."""
    depth = 0
    for edge in _BLOCK_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise UnfinishedError(f"the comment in line {_line(text, start)} is not closed")


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1
