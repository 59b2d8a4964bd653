"""`check` finds missing indexes, and accepts equivalent ones."""

import psycopg
import pytest

from recommender.entities import DatabaseName
from tests.support.checks import Checker, change
from tests.support.postgres import Urls

USER, CATALOG, ENGAGEMENT = DatabaseName


def test_a_dropped_index_is_reported_with_the_statement_that_restores_it(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, "DROP INDEX interaction_media_latest_idx")
    report = check(urls)
    about = "index interaction_media_latest_idx"
    assert (report.status, report.faults) == (1, {("warning", ENGAGEMENT, about)})
    to_do = report.find(about)["to_do"]
    assert to_do.startswith("CREATE INDEX CONCURRENTLY interaction_media_latest_idx ON interaction (")
    assert to_do.endswith("(media_id, timestamp DESC, user_id, type);")
    change(databases, ENGAGEMENT, to_do)
    assert check(urls).faults == set()


def test_an_index_that_is_not_valid_counts_as_missing(check: Checker, urls: Urls, databases: Urls) -> None:
    name = "tb_media_genre_media_id_idx"
    change(databases, CATALOG, f"DROP INDEX {name}")
    build = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON tb_media_genre (media_id) INCLUDE (genre_name)"
    with pytest.raises(psycopg.errors.UniqueViolation):
        change(databases, CATALOG, build)
    report = check(urls)
    assert (report.status, report.faults) == (1, {("warning", CATALOG, f"index {name}")})
    finding = report.find(f"index {name}")
    assert "not valid" in finding["means"]
    change(databases, CATALOG, *finding["to_do"].split("; "))
    assert check(urls).faults == set()


def test_an_equivalent_index_of_another_name_is_accepted(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, ENGAGEMENT, "ALTER INDEX interaction_user_recent_idx RENAME TO theirs")
    change(
        databases,
        USER,
        "DROP INDEX tb_user_genre_user_id_idx",
        "ALTER TABLE tb_user_genre ADD COLUMN rank int",
        "CREATE INDEX more ON tb_user_genre (user_id) INCLUDE (rank, genre_name)",
    )
    report = check(urls)
    assert (report.status, report.faults) == (0, set())
    assert report.find("index interaction_user_recent_idx")["means"] == "theirs does the same"
    assert report.find("index tb_user_genre_user_id_idx")["means"] == "more does the same"


@pytest.mark.parametrize(
    "definition",
    [
        "ALTER TABLE tb_user_genre ADD CONSTRAINT theirs PRIMARY KEY (user_id, genre_name)",
        "CREATE INDEX theirs ON tb_user_genre (user_id, genre_name DESC)",
        "CREATE INDEX theirs ON tb_user_genre (user_id, rank) INCLUDE (genre_name)",
    ],
)
def test_an_index_whose_further_keys_hold_what_is_wanted_is_accepted(
    check: Checker, urls: Urls, databases: Urls, definition: str
) -> None:
    change(
        databases,
        USER,
        "DELETE FROM tb_user_genre AS a USING tb_user_genre AS b "
        "WHERE a.ctid < b.ctid AND (a.user_id, a.genre_name) = (b.user_id, b.genre_name)",
        "DROP INDEX tb_user_genre_user_id_idx",
        "ALTER TABLE tb_user_genre ADD COLUMN rank int",
        definition,
    )
    report = check(urls)
    assert (report.status, report.faults) == (0, set())
    assert report.find("index tb_user_genre_user_id_idx")["means"] == "theirs does the same"


@pytest.mark.parametrize(
    "definition",
    [
        "(media_id, timestamp, user_id, type)",
        "(media_id, timestamp DESC NULLS LAST, user_id, type)",
        "(media_id, user_id, timestamp DESC, type)",
        "(media_id, timestamp DESC) INCLUDE (user_id, type)",
        "(media_id, timestamp DESC, user_id, type) WHERE type IN ('LIKE', 'WATCH')",
        "(media_id, timestamp DESC, user_id)",
    ],
)
def test_an_index_that_is_not_equivalent_is_not_accepted(
    check: Checker, urls: Urls, databases: Urls, definition: str
) -> None:
    change(
        databases,
        ENGAGEMENT,
        "DROP INDEX interaction_media_latest_idx",
        f"CREATE INDEX theirs ON interaction {definition}",
    )
    assert check(urls).faults == {("warning", ENGAGEMENT, "index interaction_media_latest_idx")}
