"""`check` finds data that makes recommendations poor, and names the likely cause."""

from pathlib import Path

import psycopg
import pytest

from recommender.diagnostics import interaction_types
from recommender.entities import DatabaseName
from tests.support.checks import Checker, change, overlay
from tests.support.postgres import Urls

USER, CATALOG, ENGAGEMENT = DatabaseName


def test_a_join_on_the_wrong_column_is_recognized_and_an_overlay_corrects_it(
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


def test_preferences_of_no_user_are_a_warning(check: Checker, urls: Urls, databases: Urls) -> None:
    change(
        databases, USER, "DELETE FROM user_preferences WHERE user_id < '80000000-0000-0000-0000-000000000000'"
    )
    report = check(urls)
    assert ("warning", USER, "preferences") in report.faults
    assert "user_preferences.id" not in report.find("preferences")["means"]
    assert "the usual sign of a join on the wrong column" in report.find("preferences")["to_do"]


def test_interactions_with_items_missing_from_the_catalog_are_a_warning(
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


def test_interactions_outside_the_window_or_without_a_date_are_a_warning(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, "UPDATE interaction SET timestamp = timestamp - interval '200 days'")
    assert check(urls).faults == {("warning", ENGAGEMENT, "interactions")}
    assert check(urls, INTERACTION_WINDOW_DAYS="0").faults == set()
    change(databases, ENGAGEMENT, "UPDATE interaction SET timestamp = NULL WHERE id % 2 = 0")
    assert check(urls).faults == {("warning", ENGAGEMENT, "timestamps")}


def test_items_without_genres_are_a_warning(check: Checker, urls: Urls, databases: Urls) -> None:
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


def test_types_in_other_spelling_are_a_warning_and_settings_correct_it(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, "UPDATE interaction SET type = lower(type)")
    report = check(urls)
    assert report.faults >= {
        ("warning", ENGAGEMENT, "spelling of types"),
        ("warning", ENGAGEMENT, "types that do not occur"),
        ("warning", ENGAGEMENT, "positive interactions"),
    }
    finding = report.find("spelling of types")
    assert "like " in finding["means"]
    assert " %)" in finding["means"]
    assert "LIKE_TYPES=LIKE,like and WATCH_TYPES=WATCH,watch" in finding["to_do"]
    settings = {"LIKE_TYPES": "like", "WATCH_TYPES": "watch", "DISLIKE_TYPES": "dislike"}
    assert check(urls, **settings).faults == set()


def test_blanks_around_a_type_must_be_corrected_in_the_data(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, "UPDATE interaction SET type = type || ' ' WHERE id % 10 = 0")
    report = check(urls)
    assert report.faults == {("warning", ENGAGEMENT, "spelling of types")}
    assert "'WATCH '" in report.find("spelling of types")["means"]
    assert report.find("spelling of types")["to_do"] == "Correct them in the data."


@pytest.mark.parametrize(
    "rename",
    [
        "UPDATE interaction SET type = 'IMPRESSION' WHERE type = 'VIEW'",
        "UPDATE interaction SET type = NULL WHERE type = 'VIEW'",
        "UPDATE interaction SET type = E'odd\\nline' WHERE type = 'VIEW'",
        "UPDATE interaction SET type = '' WHERE type = 'VIEW'",
    ],
)
def test_types_that_mean_nothing_and_exclude_are_a_warning(
    check: Checker, urls: Urls, databases: Urls, rename: str
) -> None:
    change(
        databases,
        ENGAGEMENT,
        "INSERT INTO interaction "
        "SELECT id + 1000000, user_id, media_id, 'VIEW', 1, timestamp FROM interaction LIMIT 700",
        rename,
    )
    report = check(urls)
    assert (report.status, report.faults) == (1, {("warning", ENGAGEMENT, "types without meaning")})
    finding = report.find("types without meaning")
    assert " 700 (" in finding["means"]
    assert "EXCLUDING_TYPES=DISLIKE,LIKE,WATCH" in finding["to_do"]
    assert check(urls, EXCLUDING_TYPES="DISLIKE,LIKE,WATCH").faults == set()


def test_types_in_settings_that_do_not_occur_are_a_warning(check: Checker, urls: Urls) -> None:
    report = check(urls, LIKE_TYPES="LIKE,FAVOURITE")
    assert report.faults == {("warning", ENGAGEMENT, "types that do not occur")}
    assert "is FAVOURITE" in report.find("types that do not occur")["means"]
    assert "LIKE_TYPES" in report.find("types that do not occur")["to_do"]


def test_an_app_without_dislikes_is_healthy(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, ENGAGEMENT, "DELETE FROM interaction WHERE type = 'DISLIKE'")
    report = check(urls)
    assert report.faults == set()
    assert "DISLIKE" in report.find("types that do not occur")["means"]


def test_positive_interactions_before_the_window_only_are_a_warning(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(
        databases,
        ENGAGEMENT,
        "UPDATE interaction SET timestamp = timestamp - interval '200 days' WHERE type <> 'DISLIKE'",
    )
    assert check(urls).faults == {("warning", ENGAGEMENT, "positive interactions")}


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE interaction SET interaction_value = NULL",
        "UPDATE interaction SET interaction_value = 0",
        "UPDATE interaction SET interaction_value = -1",
        "UPDATE interaction SET interaction_value = NULL WHERE type <> 'DISLIKE'",
    ],
)
def test_positive_interactions_without_a_positive_value_are_a_warning(
    check: Checker, urls: Urls, databases: Urls, spoil: str
) -> None:
    change(databases, ENGAGEMENT, spoil)
    report = check(urls)
    assert report.faults == {("warning", ENGAGEMENT, "values")}
    assert "every collaborative_score is 0" in report.find("values")["means"]


def test_values_that_cannot_be_added_up_are_a_warning(check: Checker, urls: Urls, databases: Urls) -> None:
    change(
        databases,
        ENGAGEMENT,
        "UPDATE interaction SET interaction_value = "
        "(ARRAY['NaN', 'Infinity', '-Infinity', '1e200'])[1 + id % 4]::float8 "
        "WHERE id IN (SELECT id FROM interaction WHERE type = 'LIKE' ORDER BY id LIMIT 8)",
    )
    report = check(urls)
    assert report.faults == {("warning", ENGAGEMENT, "unusable values")}
    assert report.find("unusable values")["means"].startswith("8 (")


def test_timestamps_of_the_future_are_a_warning(check: Checker, urls: Urls, databases: Urls) -> None:
    change(
        databases,
        ENGAGEMENT,
        "UPDATE interaction SET timestamp = 'infinity' WHERE id = (SELECT min(id) FROM interaction)",
        "UPDATE interaction SET timestamp = now() AT TIME ZONE 'UTC' + interval '20 hours' "
        "WHERE id = (SELECT max(id) FROM interaction)",
    )
    report = check(urls)
    assert report.faults == {("warning", ENGAGEMENT, "future timestamps")}
    assert report.find("future timestamps")["means"].startswith("1 (")
    change(databases, ENGAGEMENT, "UPDATE interaction SET timestamp = now() + interval '3 years'")
    assert check(urls).faults == {
        ("warning", ENGAGEMENT, "future timestamps"),
        ("warning", ENGAGEMENT, "interactions"),
    }


def test_rows_without_ids_are_counted(check: Checker, urls: Urls, databases: Urls) -> None:
    change(
        databases,
        ENGAGEMENT,
        "ALTER TABLE interaction ALTER COLUMN user_id DROP NOT NULL, ALTER COLUMN media_id DROP NOT NULL",
        "INSERT INTO interaction "
        "SELECT id + 1000000, NULL, media_id, 'LIKE', 1, timestamp FROM interaction LIMIT 5",
        "INSERT INTO interaction SELECT id + 2000000, user_id, NULL, 'VIEW', 1, timestamp FROM interaction "
        "WHERE user_id IS NOT NULL LIMIT 3",
        "INSERT INTO interaction VALUES (-1)",
    )
    change(databases, CATALOG, "INSERT INTO tb_media_genre VALUES (NULL, 'DRAMA'), (NULL, NULL)")
    change(
        databases,
        USER,
        "ALTER TABLE user_preferences ALTER COLUMN user_id DROP NOT NULL",
        "INSERT INTO user_preferences VALUES (gen_random_uuid(), NULL)",
        "INSERT INTO tb_user_genre VALUES (NULL, 'DRAMA'), (NULL, 'NO SUCH GENRE')",
    )
    report = check(urls)
    assert report.faults == {("warning", name, "ids") for name in DatabaseName}
    counts = [finding["means"].split()[0] for finding in report.findings if finding["about"] == "ids"]
    assert counts == ["3", "2", "9"]


def test_stated_genres_that_no_item_has_are_a_warning(check: Checker, urls: Urls, databases: Urls) -> None:
    change(
        databases,
        USER,
        "UPDATE tb_user_genre SET genre_name = 'Sci''Fi' "
        "WHERE genre_name = (SELECT min(genre_name) FROM tb_user_genre)",
        "INSERT INTO user_preferences SELECT gen_random_uuid(), "
        "('00000000-0000-4000-8000-0000000000' || lpad(n::text, 2, '0'))::uuid "
        "FROM generate_series(1, 3) AS n",
        "INSERT INTO tb_user_genre SELECT user_id, 'Cosy crime' FROM user_preferences "
        "WHERE user_id < '00000000-0000-4000-8000-000000000099' "
        "AND user_id >= '00000000-0000-4000-8000-000000000001'",
    )
    report = check(urls)
    about = "stated genres"
    assert (report.status, report.faults) == (1, {("warning", f"{USER}, {CATALOG}", about)})
    means = report.find(about)["means"]
    assert "2 (" in means
    assert "Cosy crime (3)" in means
    assert '"Sci\'Fi"' in means
    assert "of the users with genres" in means


def test_genres_that_differ_in_case_alone_are_the_same(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, USER, "UPDATE tb_user_genre SET genre_name = lower(genre_name)")
    report = check(urls)
    assert report.faults == set()
    assert report.find("stated genres")["level"] == "ok"


def test_with_an_overlay_types_and_genres_are_not_checked(
    check: Checker, urls: Urls, databases: Urls, tmp_path: Path
) -> None:
    change(databases, ENGAGEMENT, "UPDATE interaction SET type = 'VIEW'")
    change(databases, USER, "UPDATE tb_user_genre SET genre_name = 'G' || genre_name")
    overlay(tmp_path, ENGAGEMENT, "fetch_histories", "SELECT\n", "SELECT /* ours */\n")
    sql_path = overlay(tmp_path, USER, "fetch_genre_preferences", "SELECT\n", "SELECT /* ours */\n")
    report = check(urls, SQL_PATH=sql_path)
    assert report.faults == set()
    assert "fetch_histories in SQL_PATH" in report.find("types")["means"]


def test_a_view_and_a_large_table_are_sampled(
    check: Checker, urls: Urls, databases: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interaction_types, "_SAMPLE_ROWS", 1_000)
    change(databases, ENGAGEMENT, "ANALYZE interaction")
    report = check(urls)
    assert report.faults == set()
    assert "in a sample of 14 % of the table" in report.find("types")["means"]
    change(
        databases,
        ENGAGEMENT,
        "ALTER TABLE interaction RENAME TO events",
        "CREATE VIEW interaction AS SELECT * FROM events",
        "GRANT SELECT ON interaction TO marquee",
    )
    report = check(urls)
    assert report.faults == set()
    assert "of the latest 1,000 rows" in report.find("types")["means"]


def test_types_missing_from_the_sample_are_searched_in_the_whole_table(
    check: Checker, urls: Urls, databases: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interaction_types, "_SAMPLE_ROWS", 1)
    change(
        databases,
        ENGAGEMENT,
        "UPDATE interaction SET type = 'DISLIKE' WHERE id > (SELECT min(id) FROM interaction)",
        "UPDATE interaction SET type = 'LIKE', interaction_value = 1, timestamp = now() AT TIME ZONE 'UTC' "
        "WHERE id = (SELECT min(id) FROM interaction)",
        "VACUUM (FULL, ANALYZE) interaction",
    )
    assert check(urls).faults == set()


def test_rows_that_repeat_the_id_of_an_item_are_a_warning(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(
        databases,
        CATALOG,
        "ALTER TABLE medias RENAME TO works",
        "CREATE VIEW medias AS SELECT * FROM works UNION ALL SELECT * FROM works",
        "GRANT SELECT ON medias TO marquee",
    )
    report = check(urls)
    assert "repeat the id of another row" in report.find("repeated ids")["means"]
    assert report.find("repeated ids")["level"] == "warning"


@pytest.mark.parametrize(
    ("timeout", "settings_by"), [("statement_timeout", "role"), ("transaction_timeout", "startup")]
)
def test_timeouts_of_a_role_do_not_end_the_reads_of_whole_tables(
    check: Checker, urls: Urls, databases: Urls, timeout: str, settings_by: str
) -> None:
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        own = connection.info.dbname
    change(
        databases,
        ENGAGEMENT,
        "ALTER TABLE interaction RENAME TO events",
        "CREATE FUNCTION pause() RETURNS boolean LANGUAGE plpgsql STABLE AS "
        "$$ BEGIN PERFORM pg_sleep(1.3); RETURN true; END $$",
        "CREATE VIEW interaction AS SELECT * FROM events WHERE (SELECT pause())",
        "GRANT SELECT ON interaction TO marquee",
        f"ALTER DATABASE {own} SET {timeout} = '1s'",
    )
    report = check(urls, SESSION_SETTINGS_BY=settings_by)
    found = [finding for finding in report.findings if finding["database"] == ENGAGEMENT]
    assert [finding for finding in found if "timeout" in finding["means"] and finding["level"] != "ok"] == []
    assert report.find("interactions")["level"] == "ok"
