"""`check` finds data that make for poor recommendations, and names the likely cause."""

from pathlib import Path

import psycopg

from recommender.domain import DatabaseName
from tests.support.checks import Checker, change, overlay
from tests.support.postgres import Urls

USER, CATALOG, ENGAGEMENT = DatabaseName


def test_preferences_joined_on_the_wrong_column_are_told_from_strays_and_mended_by_an_overlay(
    check: Checker, urls: Urls, databases: Urls, tmp_path: Path
) -> None:
    change(
        databases,
        USER,
        "UPDATE tb_user_genre AS ug SET user_id = up.id FROM user_preferences AS up "
        "WHERE ug.user_id = up.user_id",
    )
    report = check(urls)
    assert report.status == 2
    assert report.faults == {("error", USER, "preferences"), ("warning", USER, "users")}
    assert "match user_preferences.id" in report.find("preferences")["means"]
    assert "join is on the wrong column" in report.find("preferences")["to_do"]
    join = "ON up.user_id = ug.user_id"
    sql_path = overlay(tmp_path, USER, "fetch_genre_preferences", join, "ON up.id = ug.user_id")
    assert check(urls, SQL_PATH=sql_path).faults == set()


def test_preferences_of_nobody_are_a_warning(check: Checker, urls: Urls, databases: Urls) -> None:
    change(
        databases, USER, "DELETE FROM user_preferences WHERE user_id < '80000000-0000-0000-0000-000000000000'"
    )
    report = check(urls)
    assert ("warning", USER, "preferences") in report.faults
    assert "user_preferences.id" not in report.find("preferences")["means"]
    assert "the usual sign of a join on the wrong column" in report.find("preferences")["to_do"]


def test_interactions_with_media_missing_from_the_catalogue_are_a_warning(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(
        databases,
        CATALOG,
        "DELETE FROM medias WHERE id < '80000000-0000-0000-0000-000000000000'",
    )
    report = check(urls)
    assert (report.status, report.faults) == (
        1,
        {("warning", f"{CATALOG}, {ENGAGEMENT}", "media of interactions")},
    )
    with psycopg.connect(databases[CATALOG]) as connection:
        left = [row[0] for row in connection.execute("SELECT id FROM medias")]
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        row = connection.execute(
            "SELECT count(*) FROM interaction WHERE media_id <> ALL (%s)", (left,)
        ).fetchone()
    assert row is not None
    assert report.find("media of interactions")["means"].startswith(f"{row[0]:,} (")


def test_ids_of_other_users_are_a_warning(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, ENGAGEMENT, "UPDATE interaction SET user_id = gen_random_uuid()")
    assert check(urls).faults == {("warning", f"{USER}, {ENGAGEMENT}", "histories")}


def test_what_is_outside_of_the_window_or_has_no_date_is_a_warning(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, "UPDATE interaction SET timestamp = timestamp - interval '200 days'")
    assert check(urls).faults == {("warning", ENGAGEMENT, "interactions")}
    assert check(urls, INTERACTION_WINDOW_DAYS="0").faults == set()
    change(databases, ENGAGEMENT, "UPDATE interaction SET timestamp = NULL WHERE id % 2 = 0")
    assert check(urls).faults == {("warning", ENGAGEMENT, "timestamps")}


def test_media_without_genres_are_a_warning(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, CATALOG, "UPDATE tb_media_genre SET genre_name = NULL")
    assert check(urls).faults == {("warning", CATALOG, "genres of media")}


def test_empty_tables_are_found(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, USER, "TRUNCATE user_preferences, tb_user_genre")
    change(databases, CATALOG, "TRUNCATE medias, tb_media_genre")
    change(databases, ENGAGEMENT, "TRUNCATE interaction")
    report = check(urls)
    assert report.status == 2
    assert report.faults == {
        ("warning", USER, "users"),
        ("error", CATALOG, "media"),
        ("warning", ENGAGEMENT, "interactions"),
    }
