"""SQL is split as PostgreSQL's own scanner does: into comments, literals, quoted names and the rest."""

import pytest

from recommender.databases.sql_text import UnfinishedError, tokens


def comments(text: str) -> list[str]:
    return [token.text for token in tokens(text) if token.is_comment]


def opaque(text: str) -> list[str]:
    return [token.text for token in tokens(text) if token.is_opaque]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1 -- one", ["-- one"]),
        ("SELECT 1--one\n+ 1 -- two", ["--one", "-- two"]),
        ("SELECT /* a -- b */ 1", ["/* a -- b */"]),
        ("SELECT /* a /* b */ c */ 1", ["/* a /* b */ c */"]),
        ("SELECT 1 -- /*\n, 2 -- */", ["-- /*", "-- */"]),
        ("SELECT '-- no', \"/* no */\", $$ -- no $$, $a$ /* $$ */ $a$", []),
        ("SELECT 'it''s -- no', E'it\\'s -- no', e'\\\\' -- yes", ["-- yes"]),
        ("SELECT 1 -- it's, \"and $$ and /* this", ["-- it's, \"and $$ and /* this"]),
        ("SELECT price$1 -- not a quote $", ["-- not a quote $"]),
        ("SELECT note'x' -- a type before a literal", ["-- a type before a literal"]),
        ("/*+ SeqScan(m) */ SELECT 1", []),
    ],
)
def test_exactly_the_comments_are_found(text: str, expected: list[str]) -> None:
    assert comments(text) == expected


def test_literals_quoted_names_and_hints_are_opaque() -> None:
    text = """/*+ hint */ SELECT 'a''b', E'\\'', "c""d", $$e$$, $f$ $$ $f$, g, h$i$ FROM j"""
    assert opaque(text) == ["/*+ hint */", "'a''b'", "E'\\''", '"c""d"', "$$e$$", "$f$ $$ $f$"]


@pytest.mark.parametrize("text", ["", "SELECT 1", "a 'b' -- c\n/* d */ $$e$$ \"f\""])
def test_the_parts_join_to_the_original_text(text: str) -> None:
    assert "".join(token.text for token in tokens(text)) == text


@pytest.mark.parametrize("text", ["\nSELECT 'a", '\nSELECT "a', "\n/* a /* b */", "\n$a$ $$", "\nE'a\\'"])
def test_unclosed_quotes_and_comments_are_refused_with_the_line(text: str) -> None:
    with pytest.raises(UnfinishedError, match="in line 2 is not closed"):
        list(tokens(text))
