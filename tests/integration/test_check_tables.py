"""`check` estimates the size of partitioned tables and views, and names the tables for their indexes."""

import pytest

from recommender.databases.queries import SQL_ROOT
from recommender.diagnostics.expectations import INDEXES
from recommender.entities import DatabaseName
from tests.support.checks import Checker, Report, change
from tests.support.postgres import Urls

USER, CATALOG, ENGAGEMENT = DatabaseName

PARTITIONED = (
    "ALTER TABLE interaction RENAME TO old_interaction",
    "CREATE TABLE interaction (LIKE old_interaction) PARTITION BY HASH (user_id)",
    *(
        f"CREATE TABLE interaction_{n} PARTITION OF interaction FOR VALUES WITH (MODULUS 3, REMAINDER {n})"
        for n in range(3)
    ),
    "INSERT INTO interaction SELECT * FROM old_interaction",
    "DROP TABLE old_interaction",
    "ALTER TABLE interaction ADD PRIMARY KEY (id, user_id)",
    "GRANT SELECT ON interaction TO marquee",
)
VIEW = (
    "ALTER TABLE interaction RENAME TO events",
    "CREATE VIEW all_events AS SELECT * FROM events",
    "CREATE VIEW interaction AS SELECT * FROM all_events",
    "GRANT SELECT ON interaction TO marquee",
)


def indexes(report: Report) -> list[dict[str, str]]:
    """Return the findings about the indexes on interaction."""
    return [
        finding
        for finding in report.findings
        if finding["database"] == ENGAGEMENT and finding["about"].startswith("index ")
    ]


def rows_of(report: Report, table: str) -> int:
    means = report.find(f"table {table}")["means"]
    return int(means.removeprefix("about ").partition(" rows")[0].replace(",", ""))


def create_indexes(databases: Urls) -> None:
    change(databases, ENGAGEMENT, (SQL_ROOT / "indexes" / "engagement_db.sql").read_text())


def test_the_rows_of_a_table_without_statistics_follow_from_its_size(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    """PostgreSQL 12 and 13 have the same statistics for a table without ANALYZE as for an empty one."""
    change(
        databases,
        ENGAGEMENT,
        "ALTER TABLE interaction RENAME TO old_interaction",
        "CREATE TABLE interaction (LIKE old_interaction)",
        "ANALYZE interaction",
        "INSERT INTO interaction SELECT * FROM old_interaction",
        "DROP TABLE old_interaction",
        "GRANT SELECT ON interaction TO marquee",
    )
    assert 5_000 < rows_of(check(urls), "interaction") < 20_000


def test_a_table_that_was_emptied_has_no_rows_whatever_its_size(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    emptied = "VACUUM (TRUNCATE false, ANALYZE) interaction"
    change(databases, ENGAGEMENT, "DELETE FROM interaction", emptied)
    assert rows_of(check(urls), "interaction") == 0


@pytest.mark.parametrize(
    "analyze", ["ANALYZE interaction", "ANALYZE interaction_0, interaction_1, interaction_2"]
)
def test_the_rows_of_a_partitioned_table_are_those_of_its_partitions(
    check: Checker, urls: Urls, databases: Urls, analyze: str
) -> None:
    change(databases, ENGAGEMENT, *PARTITIONED, analyze)
    create_indexes(databases)
    report = check(urls)
    assert report.faults == set()
    assert 6_500 < rows_of(report, "interaction") < 7_500


def test_an_index_missing_on_a_partitioned_table_is_created_on_the_parent(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, *PARTITIONED)
    missing = indexes(check(urls))
    assert missing
    for finding in missing:
        assert finding["level"] == "warning"
        assert "3 of 3 partitions have none" in finding["to_do"]
        create, _, rest = finding["to_do"].partition("; ")
        assert "CONCURRENTLY" not in create
        assert "CONCURRENTLY on each partition" in rest
        change(databases, ENGAGEMENT, create)
    assert check(urls).faults == set()


def test_an_index_on_each_partition_is_enough(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, ENGAGEMENT, *PARTITIONED)
    create_indexes(databases)
    change(databases, ENGAGEMENT, "DROP INDEX interaction_user_recent_idx")
    columns = "(user_id, timestamp DESC, media_id, type, interaction_value)"
    change(databases, ENGAGEMENT, *(f"CREATE INDEX ON interaction_{n} {columns}" for n in (0, 1)))
    finding = check(urls).find("index interaction_user_recent_idx")
    assert finding["level"] == "warning"
    assert "1 of 3 partitions have none" in finding["to_do"]
    change(databases, ENGAGEMENT, f"CREATE INDEX ON interaction_2 {columns}")
    report = check(urls)
    assert report.faults == set()
    assert "each of the 3 partitions" in report.find("index interaction_user_recent_idx")["means"]


def test_an_index_on_the_parent_alone_is_not_valid(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, ENGAGEMENT, *PARTITIONED)
    create_indexes(databases)
    change(
        databases,
        ENGAGEMENT,
        "DROP INDEX interaction_user_recent_idx",
        "CREATE INDEX interaction_user_recent_idx ON ONLY interaction "
        "(user_id, timestamp DESC, media_id, type, interaction_value)",
    )
    finding = check(urls).find("index interaction_user_recent_idx")
    assert "not all partitions" in finding["means"]
    change(databases, ENGAGEMENT, *finding["to_do"].split("; ")[:2])
    assert check(urls).faults == set()


def test_partitions_read_whole_are_counted_together(check: Checker, urls: Urls, databases: Urls) -> None:
    """Each partition is small, but all of them together are large."""
    change(
        databases,
        USER,
        "ALTER TABLE tb_user_genre RENAME TO old_genre",
        "CREATE TABLE tb_user_genre (LIKE old_genre) PARTITION BY LIST (genre_name)",
        "CREATE TABLE genre_rest PARTITION OF tb_user_genre DEFAULT",
        *(
            f"CREATE TABLE genre_{n} PARTITION OF tb_user_genre FOR VALUES IN ('GENRE {n}')"
            for n in range(1, 13)
        ),
        "INSERT INTO tb_user_genre SELECT * FROM old_genre",
        "INSERT INTO tb_user_genre SELECT up.user_id, 'GENRE ' || n "
        "FROM user_preferences AS up, generate_series(1, 12) AS n, generate_series(1, 5)",
        "ANALYZE",
        "GRANT SELECT ON tb_user_genre TO marquee",
    )
    finding = check(urls).find("statement fetch_genre_preferences")
    assert finding["level"] == "warning"
    assert "tb_user_genre (" in finding["means"]
    assert "in 13 partitions" in finding["means"]


def test_the_rows_of_a_view_are_what_the_planner_expects(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, ENGAGEMENT, *VIEW, "ANALYZE events")
    report = check(urls)
    assert report.faults == set()
    assert 6_500 < rows_of(report, "interaction") < 7_500
    for finding in indexes(report):
        assert "is on events, under a view" in finding["means"]


def test_an_index_missing_under_a_view_is_wanted_on_its_table(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, *VIEW, "DROP INDEX interaction_user_recent_idx")
    report = check(urls)
    assert report.faults == {("warning", ENGAGEMENT, "index interaction_user_recent_idx")}
    finding = report.find("index interaction_user_recent_idx")
    assert "CREATE INDEX" not in finding["to_do"]
    assert "(user_id, timestamp DESC" in finding["to_do"].replace("columns ", "(", 1)
    assert finding["to_do"].endswith("on the table events.")


def test_under_a_view_that_renames_columns_the_plans_show_the_index(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(
        databases,
        ENGAGEMENT,
        "ALTER TABLE interaction RENAME TO events",
        "ALTER TABLE events RENAME COLUMN user_id TO account",
        "CREATE VIEW interaction AS "
        "SELECT id, account AS user_id, media_id, type, interaction_value, timestamp FROM events",
        "GRANT SELECT ON interaction TO marquee",
    )
    report = check(urls)
    assert report.faults == set()
    for finding in indexes(report):
        assert "interaction reads events" in finding["means"]


def test_a_materialized_view_has_rows_and_indexes_of_its_own(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(
        databases,
        ENGAGEMENT,
        *(f"DROP INDEX {index.name}" for index in INDEXES[ENGAGEMENT]),
        "ALTER TABLE interaction RENAME TO events",
        "CREATE MATERIALIZED VIEW interaction AS SELECT * FROM events",
        "GRANT SELECT ON interaction TO marquee",
        "ANALYZE interaction",
    )
    report = check(urls)
    assert 6_500 < rows_of(report, "interaction") < 7_500
    for finding in indexes(report):
        assert finding["level"] == "warning"
        change(databases, ENGAGEMENT, *finding["to_do"].replace(" CONCURRENTLY", "").split("; "))
    assert check(urls).faults == set()
