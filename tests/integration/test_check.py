"""`check` finds each fault of real databases, says what to do about it, and finds nothing in healthy ones."""

import json
import shutil
from pathlib import Path

import psycopg
import pytest

from recommender.cli.main import main
from recommender.databases.inspection import Inspection
from recommender.databases.queries import SQL_ROOT
from recommender.demo.embedded import PostgresServer
from recommender.entities import DatabaseName
from tests.support.checks import PASSWORD, Checker, change
from tests.support.clients import settings_for
from tests.support.postgres import Outage, Urls
from tests.support.proxy import hanging_proxy

USER, CATALOG, ENGAGEMENT = DatabaseName


def test_healthy_databases_give_status_0_and_only_ok_findings(
    check: Checker, urls: Urls, capsys: pytest.CaptureFixture[str]
) -> None:
    report = check(urls)
    assert main(["check"]) == report.status
    text = capsys.readouterr().out
    assert all(f"  {finding['level']:<8} {finding['about']}: " in text for finding in report.findings)
    assert report.faults == set()
    assert report.status == 0
    subjects = {(finding["database"], finding["about"]) for finding in report.findings}
    for name in DatabaseName:
        assert (name, "connection") in subjects
        for path in (SQL_ROOT / name).glob("*.sql"):
            assert (name, f"statement {path.stem}") in subjects
    assert "user_id uuid" in report.find("table interaction")["means"]
    assert "create_at" not in report.find("table medias")["means"], "no statement needs it"


def test_settings_that_keep_the_service_from_starting_are_errors(
    check: Checker, urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text('[r]\nkind = "interleaving"\n[r.variants.a]\n[r.variants.b]\ndiversity = 1\n')
    monkeypatch.setenv("MODEL", "eas")
    monkeypatch.setenv("EXPERIMENTS_PATH", str(path))
    report = check(urls)
    assert report.status == 2
    assert report.faults == {("error", "service", "MODEL"), ("error", "service", "experiments")}
    assert "got 'eas'" in report.find("MODEL")["means"]
    assert report.find("experiments")["means"].startswith("EXPERIMENT_KEY: r is of kind interleaving")


def test_a_variable_that_is_nearly_named_like_a_setting_is_a_warning(check: Checker, urls: Urls) -> None:
    report = check(urls, POOL_SIZ="50")
    assert (report.status, report.faults) == (1, {("warning", "service", "POOL_SIZ")})
    assert "POOL_SIZE" in report.find("POOL_SIZ")["to_do"]


# Texts that look like a header, that begin or end comments and quotes, or that parsers look for.
_MISLEADING = """\
-- Returns: one row
--   title int, user_id bigint[], media_keys boolean
-- Index: none; -- name: other_name(user_ids) ; SELECT 1; it's "not $tag$ closed
-- Parameters: :user_ids %(user_ids)s %s $1 /* not a comment
/* -- name: other_name()
   Returns: /* nested: */ user_id float8; it's " :p */
"""


def test_comments_do_not_change_the_expectations(
    check: Checker, urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "sql"
    shutil.copytree(SQL_ROOT, root)
    for path in root.glob("*/**/*.sql"):
        lines = path.read_text().splitlines()
        names = [line for line in lines if line.startswith("-- name:")]
        statement = [line for line in lines if not line.startswith("--")]
        path.write_text("\n".join([*names, _MISLEADING, *statement, _MISLEADING]))
    monkeypatch.setattr("recommender.databases.queries.SQL_ROOT", root)
    report = check(urls)
    assert (report.status, report.faults) == (0, set())
    assert report.find("statement fetch_media")["means"].startswith("prepares")


def test_without_configured_databases_it_says_what_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "DB_HOST" in capsys.readouterr().err


def test_wrong_settings_are_findings_of_the_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAX_LIMIT", "abc")
    monkeypatch.setenv("PORT", "0")
    assert main(["check", "--json"]) == 2
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert (said["status"], printed.err) == (2, "")
    assert [(each["level"], each["database"], each["about"]) for each in said["findings"]] == [
        ("error", "service", "PORT"),
        ("error", "service", "MAX_LIMIT"),
    ]
    assert all(each["means"] and each["to_do"] for each in said["findings"])


def test_a_database_that_is_down_is_reported_and_the_others_are_checked(
    check: Checker, urls: Urls, outage: Outage
) -> None:
    outage.stop(CATALOG)
    report = check(urls)
    assert (report.status, report.faults) == (2, {("error", CATALOG, "connection")})
    assert report.find("statement fetch_users_of_media")["level"] == "ok"
    assert report.find("histories")["level"] == "ok"


def test_a_database_that_hangs_is_given_up_and_the_others_are_checked(
    check: Checker, urls: Urls, server: PostgresServer
) -> None:
    info = server.get_postmaster_info()
    with hanging_proxy(Path(str(info.socket_dir)) / f".s.PGSQL.{info.port}") as proxy:
        proxy.hang()
        report = check({**urls, ENGAGEMENT: proxy.url("engagement_db")})
    assert (report.status, report.faults) == (2, {("error", ENGAGEMENT, "connection")})
    assert report.find("media")["level"] == "ok"


def test_a_url_the_driver_cannot_read_is_an_error_of_that_database(check: Checker, urls: Urls) -> None:
    broken = {**urls, USER: f"postgresql://u:{PASSWORD}@h/d?no_such_option={PASSWORD}"}
    report = check(broken)
    assert (report.status, report.faults) == (2, {("error", USER, "connection")})


def test_a_renamed_column_is_named_with_the_statements_that_need_it(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, "ALTER TABLE interaction RENAME COLUMN interaction_value TO weight")
    report = check(urls)
    assert report.status == 2
    assert report.faults == {
        ("error", ENGAGEMENT, "column interaction.interaction_value"),
        ("error", ENGAGEMENT, "statement fetch_media_of_users"),
        ("error", ENGAGEMENT, "statement fetch_media_of_users_repeated"),
        ("warning", ENGAGEMENT, "statement fetch_recent_interactions"),
        ("warning", ENGAGEMENT, "statement stream_interactions"),
        ("warning", ENGAGEMENT, "statement stream_positive_histories"),
        ("warning", ENGAGEMENT, "index interaction_user_recent_idx"),
    }
    assert "fetch_media_of_users" in report.find("column interaction.interaction_value")["means"]


def test_a_statement_without_a_table_is_reported_as_such(check: Checker, urls: Urls) -> None:
    assert check(urls).find("statement take_training_turn")["means"] == "prepares; reads no table"


def test_a_column_that_no_statement_needs_may_be_missing(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, CATALOG, "ALTER TABLE medias DROP COLUMN create_at")
    change(databases, USER, "ALTER TABLE user_preferences DROP COLUMN id")
    assert check(urls).faults == set()


def test_a_column_of_a_wrong_type_is_reported_if_its_statement_fails(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, USER, "ALTER TABLE tb_user_genre ALTER COLUMN user_id TYPE text")
    report = check(urls)
    assert report.status == 2
    assert report.faults == {
        ("error", USER, "column tb_user_genre.user_id"),
        ("error", USER, "statement fetch_genre_preferences"),
    }
    assert (
        "is text, but needed as uuid by fetch_genre_preferences"
        in (report.find("column tb_user_genre.user_id")["means"])
    )


@pytest.mark.parametrize(
    "change_type",
    [
        "ALTER TABLE medias ALTER COLUMN title TYPE text",
        "ALTER TABLE medias ALTER COLUMN release_year TYPE numeric",
        "ALTER TABLE medias ALTER COLUMN release_year TYPE smallint",
        "ALTER TABLE medias ALTER COLUMN deleted_at TYPE timestamptz",
        "CREATE DOMAIN address AS text; ALTER TABLE medias ALTER COLUMN cover_url TYPE address",
    ],
)
def test_an_equivalent_type_is_accepted(
    check: Checker, urls: Urls, databases: Urls, change_type: str
) -> None:
    change(databases, CATALOG, change_type)
    assert check(urls).faults == set()


def test_a_request_that_would_read_a_large_table_whole_is_a_warning(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(
        databases,
        USER,
        "INSERT INTO tb_user_genre SELECT up.user_id, ug.genre_name "
        "FROM user_preferences AS up, (SELECT genre_name FROM tb_user_genre LIMIT 50) AS ug",
        "DROP INDEX tb_user_genre_user_id_idx",
        "ANALYZE tb_user_genre",
    )
    report = check(urls)
    assert report.status == 1
    assert report.faults == {
        ("warning", USER, "index tb_user_genre_user_id_idx"),
        ("warning", USER, "statement fetch_genre_preferences"),
    }
    assert "public.tb_user_genre" in report.find("statement fetch_genre_preferences")["means"]


def test_a_role_that_may_write_is_a_warning_and_the_revoke_corrects_it(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, "GRANT INSERT, TRUNCATE ON interaction TO marquee")
    report = check(urls)
    about = "rights on interaction"
    assert (report.status, report.faults) == (1, {("warning", ENGAGEMENT, about)})
    revoke = "REVOKE INSERT, TRUNCATE ON public.interaction FROM marquee;"
    assert report.find(about)["to_do"].startswith(revoke)
    change(databases, ENGAGEMENT, revoke)
    assert check(urls).faults == set()


def test_an_owner_is_told_to_connect_as_another_role(check: Checker, databases: Urls) -> None:
    report = check(databases)
    assert report.status == 1
    assert len(report.faults) == 5
    assert "docs/how-to/connect-your-databases.md" in report.find("rights on medias")["to_do"]


def test_a_role_that_may_not_read_is_an_error_with_the_grant(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, CATALOG, "REVOKE SELECT ON tb_media_genre FROM marquee")
    report = check(urls)
    assert report.status == 2
    assert report.faults == {
        ("error", CATALOG, "rights on tb_media_genre"),
        ("error", CATALOG, "statement fetch_media"),
        ("error", CATALOG, "statement fetch_catalogue"),
        ("warning", CATALOG, "data"),
    }
    change(databases, CATALOG, report.find("rights on tb_media_genre")["to_do"])
    assert check(urls).faults == set()


def test_commands_for_names_that_are_reserved_words_run(
    check: Checker, databases: Urls, request: pytest.FixtureRequest
) -> None:
    """The role is named `user`, and the schema of the tables `order`."""

    def drop() -> None:
        for name in DatabaseName:
            change(databases, name, 'DROP OWNED BY "user"')
        change(databases, USER, 'DROP ROLE "user"')

    change(databases, USER, f"CREATE ROLE \"user\" LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 9")
    request.addfinalizer(drop)
    change(
        databases,
        CATALOG,
        'ALTER SCHEMA public RENAME TO "order"',
        'GRANT USAGE ON SCHEMA "order" TO "user"',
        'ALTER ROLE "user" SET search_path TO "order", public',
        'GRANT DELETE ON "order".medias TO "user"',
    )
    urls = {name: url.replace("postgres@", f"user:{PASSWORD}@") for name, url in databases.items()}

    def findings() -> list[dict[str, str]]:
        kinds = ("rights on", "connection limit of role")
        return [each for each in check(urls).findings if each["to_do"] and each["about"].startswith(kinds)]

    wrong = findings()
    assert len(wrong) == 7
    for finding in wrong:
        database = DatabaseName(finding["database"].partition(",")[0])
        change(databases, database, finding["to_do"].partition(";")[0])
    assert findings() == []


def test_rights_on_the_needed_columns_are_enough(check: Checker, urls: Urls, databases: Urls) -> None:
    change(
        databases,
        CATALOG,
        "REVOKE SELECT ON medias FROM marquee",
        "GRANT SELECT (id, title, description, release_year, media_type, cover_url, deleted_at) "
        "ON medias TO marquee",
    )
    assert check(urls).faults == set()


def test_databases_without_tables_are_found(check: Checker, empty_databases: Urls) -> None:
    report = check(empty_databases)
    assert report.status == 2
    for name, table in ((USER, "tb_user_genre"), (CATALOG, "medias"), (ENGAGEMENT, "interaction")):
        assert ("error", name, f"table {table}") in report.faults


def test_more_connections_than_the_server_takes_are_a_warning(check: Checker, urls: Urls) -> None:
    report = check(urls, POOL_SIZE="16", WORKERS="2")
    # 2 × 17, with the probes, for each of three databases, 2 × 1 and 2 × 2 in the background, and a trainer
    # with one to each: 111 of 97.
    assert (report.status, {about for _, _, about in report.faults}) == (1, {"connections"})
    assert "up to 111 " in report.find("connections")["means"]
    assert {about for _, _, about in check(urls, POOL_SIZE="14", WORKERS="2").faults} == {"connections"}
    assert check(urls, POOL_SIZE="13", WORKERS="2").faults == set()


def test_a_role_limit_below_what_workers_open_is_a_warning(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    # 2 × 11 for each of three databases, 2 × 1 and 2 × 2 in the background, twice that in a reload, and 3 of
    # a trainer.
    change(databases, USER, "ALTER ROLE marquee CONNECTION LIMIT 146")
    try:
        report = check(urls)
        about = "connection limit of role marquee"
        assert (report.status, report.faults) == (1, {("warning", ", ".join(DatabaseName), about)})
        assert report.find(about)["means"].startswith("146; up to 147 are opened ")
        assert check(urls, POOL_SIZE="9").faults == set()
    finally:
        change(databases, USER, "ALTER ROLE marquee CONNECTION LIMIT -1")
    assert not [finding for finding in check(urls).findings if "limit" in finding["about"]]


def test_a_database_limit_is_compared_with_its_own_connections(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    name = databases[ENGAGEMENT].rpartition("/")[2]
    change(databases, ENGAGEMENT, f"ALTER DATABASE {name} CONNECTION LIMIT 52")
    report = check(urls)
    about = f"connection limit of database {name}"
    assert report.faults == {("warning", ENGAGEMENT, about)}
    assert report.find(about)["means"].startswith("52; up to 53 are opened ")
    change(databases, ENGAGEMENT, report.find(about)["to_do"].partition(";")[0])
    assert check(urls).faults == set()


def test_a_limit_does_not_hold_for_superusers(check: Checker, databases: Urls) -> None:
    name = databases[ENGAGEMENT].rpartition("/")[2]
    change(databases, ENGAGEMENT, f"ALTER DATABASE {name} CONNECTION LIMIT 1")
    assert not [finding for finding in check(databases).findings if "limit" in finding["about"]]


@pytest.mark.parametrize("column_type", ["numeric", "integer", "real"])
def test_values_of_any_numeric_type_are_accepted(
    check: Checker, urls: Urls, databases: Urls, column_type: str
) -> None:
    change(databases, ENGAGEMENT, f"ALTER TABLE interaction ALTER interaction_value TYPE {column_type}")
    assert check(urls).faults == set()


def test_databases_with_different_date_styles_are_recognized_as_of_one_server(databases: Urls) -> None:
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET DateStyle = 'German'".encode())
    settings = settings_for(databases).databases
    starts = set()
    for name in DatabaseName:
        with Inspection(name, settings) as inspection:
            ((_, _, started_at, *_),) = inspection.fetch("fetch_server")
            starts.add(started_at)
    assert len(starts) == 1
