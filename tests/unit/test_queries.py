"""Query files are found, overlaid file by file, and refused with their path when they are wrong."""

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
