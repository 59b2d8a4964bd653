"""`check` names what is wrong with statements under SQL_PATH."""

from contextlib import closing
from pathlib import Path

import pytest

from recommender.databases.database import Database
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError
from tests.support.checks import Checker, change, overlay
from tests.support.clients import settings_for
from tests.support.postgres import Urls

USER, CATALOG, ENGAGEMENT = DatabaseName


def test_an_overlay_that_replaces_nothing_is_an_error(check: Checker, urls: Urls, tmp_path: Path) -> None:
    sql_path = overlay(tmp_path, USER, "fetch_genre_preferences", "", "")
    (tmp_path / USER / "fetch_genre_preferences.sql").rename(tmp_path / USER / "fetch_tastes.sql")
    report = check(urls, SQL_PATH=sql_path)
    assert (report.status, report.faults) == (2, {("error", USER, "SQL_PATH")})


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (("FROM medias AS m", "FROM films AS m"), 'relation "films" does not exist'),
        (
            ("    left(m.media_type::text, 100) AS media_type,\n", ""),
            "returns 6 columns, but the service expects 7",
        ),
        (("m.id::text", "m.release_year"), "column 1 as int4, but the service expects text"),
        (("SELECT\n    m.id", "SELEKT\n    m.id"), "syntax error"),
    ],
)
def test_an_overlay_that_does_not_keep_the_contract_is_an_error(
    check: Checker, urls: Urls, tmp_path: Path, edit: tuple[str, str], reason: str
) -> None:
    report = check(urls, SQL_PATH=overlay(tmp_path, CATALOG, "fetch_media", *edit))
    assert (report.status, report.faults) == (2, {("error", CATALOG, "statement fetch_media")})
    finding = report.find("statement fetch_media")
    assert reason in finding["means"]
    assert str(tmp_path) in finding["to_do"]


@pytest.mark.parametrize(
    "comment",
    [
        "-- what :users like, it's 100 % of $1; or more",
        "/* :users -- it's /* nested */ 100 %; $1 */",
        "-- name: a name",
        "-- 'unbalanced\n-- \"so is this",
    ],
)
def test_a_comment_in_an_overlay_cannot_break_it(
    check: Checker, urls: Urls, tmp_path: Path, comment: str
) -> None:
    path = tmp_path / USER / "fetch_genre_preferences.sql"
    sql_path = overlay(tmp_path, USER, path.stem, "SELECT\n", f"{comment}\nSELECT {comment}\n")
    path.write_text(path.read_text() + comment)
    assert check(urls, SQL_PATH=sql_path).faults == set()
    with closing(Database(USER, settings_for(urls, SQL_PATH=sql_path).databases)) as database:
        database.open()
        user_id = database.fetch("search_users", prefix="", top_k=1)[0][0]
        assert len(database.fetch(path.stem, user_ids=[user_id, user_id])) <= 1


def test_an_overlay_with_percent_signs_prepares_and_runs(check: Checker, urls: Urls, tmp_path: Path) -> None:
    edit = "ug.genre_name IS NOT NULL", "ug.genre_name LIKE '%' AND 7 % 4 = 3"
    sql_path = overlay(tmp_path, USER, "fetch_genre_preferences", *edit)
    assert check(urls, SQL_PATH=sql_path).faults == set()
    with closing(Database(USER, settings_for(urls, SQL_PATH=sql_path).databases)) as database:
        database.open()
        ids = [row[0] for row in database.fetch("search_users", prefix="", top_k=10)]
        assert database.fetch("fetch_genre_preferences", user_ids=ids)


def test_an_overlay_of_two_statements_is_an_error(check: Checker, urls: Urls, tmp_path: Path) -> None:
    sql_path = overlay(tmp_path, USER, "stream_users", "ASC;", "ASC; SELECT 1;")
    report = check(urls, SQL_PATH=sql_path)
    assert (report.status, report.faults) == (2, {("error", USER, "SQL_PATH")})


def test_an_overlay_that_writes_is_an_error(check: Checker, databases: Urls, tmp_path: Path) -> None:
    path = tmp_path / USER / "fetch_genre_preferences.sql"
    path.parent.mkdir()
    path.write_text(
        "-- name: fetch_genre_preferences(user_ids)\n"
        "DELETE FROM tb_user_genre WHERE user_id = any(:user_ids::text[]::uuid[]) AND genre_name LIKE '%%'\n"
        "RETURNING user_id::text, ARRAY[genre_name::text];\n"
    )
    finding = check(databases, SQL_PATH=str(tmp_path)).find("statement fetch_genre_preferences")
    assert (finding["level"], finding["means"][:6]) == ("error", "writes")


@pytest.mark.parametrize("lock", ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE SKIP LOCKED"])
def test_an_overlay_that_locks_rows_is_an_error(
    check: Checker, databases: Urls, tmp_path: Path, lock: str
) -> None:
    """PostgreSQL refuses row locks in read-only sessions."""
    locked = f"(TABLE tb_user_genre FOR {lock}) AS"
    sql_path = overlay(tmp_path, USER, "fetch_genre_preferences", "tb_user_genre AS", locked)
    finding = check(databases, SQL_PATH=sql_path).find("statement fetch_genre_preferences")
    assert (finding["level"], finding["means"][:20]) == ("error", "writes or locks rows")
    with closing(Database(USER, settings_for(databases, SQL_PATH=sql_path).databases)) as database:
        database.open()
        with pytest.raises(DatabaseUnavailableError, match="read-only"):
            database.fetch("fetch_genre_preferences", user_ids=[])


def test_with_an_overlay_tables_are_not_checked(
    check: Checker, urls: Urls, databases: Urls, tmp_path: Path
) -> None:
    change(databases, USER, "ALTER TABLE tb_user_genre RENAME TO tastes")
    sql_path = overlay(tmp_path, USER, "fetch_genre_preferences", "tb_user_genre AS", "tastes AS")
    report = check(urls, SQL_PATH=sql_path)
    assert (report.status, report.faults) == (0, set())
    assert "the tables are the app's own" in report.find("tables")["means"]
    assert str(tmp_path) in report.find("statement fetch_genre_preferences")["means"]


def test_a_misplaced_file_is_one_error_and_the_others_are_checked(
    check: Checker, urls: Urls, tmp_path: Path
) -> None:
    sql_path = overlay(tmp_path, USER, "fetch_genre_preferences", "", "")
    overlay(tmp_path, CATALOG, "fetch_media", "", "")
    (tmp_path / CATALOG).rename(tmp_path / "catalogue_db")
    report = check(urls, SQL_PATH=sql_path)
    assert (report.status, report.faults) == (2, {("error", "service", "SQL_PATH")})
    assert str(tmp_path / "catalogue_db" / "fetch_media.sql") in report.find("SQL_PATH")["means"]
    assert str(tmp_path) in report.find("statement fetch_genre_preferences")["means"]
