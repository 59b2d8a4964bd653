"""Query files are found, overlaid file by file, and refused with their path if they are wrong."""

from pathlib import Path

import pytest

from recommender.databases.queries import SQL_ROOT, load_queries, parse_query_file
from recommender.errors import ConfigurationError


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / "user_db" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_an_overlay_replaces_single_files(tmp_path: Path) -> None:
    ours = load_queries("engagement_db")
    assert load_queries("engagement_db", tmp_path) == ours
    path = write(tmp_path, "fetch_genre_preferences.sql", "-- name: fetch_genre_preferences()\nSELECT 1;")
    theirs = load_queries("user_db", tmp_path)["fetch_genre_preferences"]
    assert theirs.path == path
    assert theirs.statement == b"SELECT 1;"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("fetch_nothing.sql", "-- name: fetch_nothing()\nSELECT 1;", "replaces no query of user_db"),
        ("fetch_genre_preferences.sql", "SELECT 1;", "cannot be read|must declare one query"),
        ("fetch_genre_preferences.sql", "-- name: other()\nSELECT 1;", "must declare one query named"),
        (
            "fetch_genre_preferences.sql",
            "-- name: fetch_genre_preferences(ids)\nSELECT :ids;",
            "is given user_ids; there is no ids",
        ),
        (
            "fetch_genre_preferences.sql",
            "-- name: fetch_genre_preferences()\nSELECT :user_ids;",
            "undeclared parameter",
        ),
        (
            "fetch_genre_preferences.sql",
            "-- name: fetch_genre_preferences()\nSELECT 1; SELECT 2;",
            "must hold one statement",
        ),
        (
            "fetch_genre_preferences.sql",
            "-- name: fetch_genre_preferences()\nSELECT 1 /* unfinished;",
            "the comment in line 2 is not closed",
        ),
    ],
)
def test_a_wrong_overlay_is_refused_with_its_path(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_queries("user_db", tmp_path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no_such\.sql"):
        parse_query_file(tmp_path / "no_such.sql")


def test_placeholders_become_the_drivers_and_casts_stay() -> None:
    query = parse_query_file(SQL_ROOT / "user_db" / "fetch_genre_preferences.sql")
    assert b"%(user_ids)s::text[]::uuid[]" in query.statement
    assert query.parameters == ("user_ids",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SELECT 1", ""),
        ("SELECT 1", "; -- after the end, without a line break"),
        ("SELECT 1", ";\n-- one\n/* two; */ ;"),
        ("SELECT 1", ' -- :unknown, 100 %, 50%s, %(x)s; it\'s "$1" and $$'),
        ("SELECT 1", "\n-- name: other()\n"),
        ("SELECT 1", " /* :unknown, it's 100 %; -- */"),
        ("SELECT 1", " /* /* nested */ :unknown */"),
        ("-- Parameters: :unknown, 100 %; it's\nSELECT 1", ";"),
        ("/* -- name: other() */ SELECT 1", ""),
    ],
)
def test_comments_are_no_part_of_a_statement(tmp_path: Path, before: str, after: str) -> None:
    query = parse_query_file(write(tmp_path, "q.sql", f"/* -- name: p() */\n-- name: q()\n{before}{after}"))
    for statement in (query.statement, query.numbered):
        assert statement.split() in ([b"SELECT", b"1"], [b"SELECT", b"1;"], [b"SELECT", b"1;", b";"])


def test_literals_and_quoted_names_stay_as_they_are(tmp_path: Path) -> None:
    literals = """':ids -- a;  \n-- b\n', E'\\':ids', "it's :ids", $$ :ids; -- it's $$, '%(ids)s', '%s'"""
    query = parse_query_file(write(tmp_path, "q.sql", f"-- name: q(ids)\nSELECT {literals}, :ids::text[]"))
    assert query.numbered.decode() == f"SELECT {literals}, $1::text[]"
    assert query.statement.decode() == f"SELECT {literals.replace('%', '%%')}, %(ids)s::text[]"


def test_a_percent_sign_may_be_written_once_or_doubled(tmp_path: Path) -> None:
    for name, parameters in (("q", ""), ("r", "a")):
        text = f"-- name: {name}({parameters})\nSELECT 7 % 4, 7 %% 4, 'x%', 'x%%'"
        text += ", :a" if parameters else ""
        query = parse_query_file(write(tmp_path, f"{name}.sql", text))
        assert query.numbered.startswith(b"SELECT 7 % 4, 7 % 4, 'x%', 'x%'")
        assert query.statement.startswith(b"SELECT 7 %% 4, 7 %% 4, 'x%%', 'x%%'")


def test_the_bounds_of_a_slice_are_no_parameters(tmp_path: Path) -> None:
    query = parse_query_file(write(tmp_path, "q.sql", "-- name: q(a)\nSELECT (:a::int[])[1:2]"))
    assert query.statement == b"SELECT (%(a)s::int[])[1:2]"


def test_an_unchanged_file_is_parsed_once(tmp_path: Path) -> None:
    path = write(tmp_path, "q.sql", "-- name: q()\nSELECT 1;")
    first = parse_query_file(path)
    assert parse_query_file(path) is first
    write(tmp_path, "q.sql", "-- name: q()\nSELECT 2;")
    assert parse_query_file(path).statement == b"SELECT 2;"
