"""`check` warns of row level security that hides rows, and accepts policies that hide none."""

import pytest

from recommender.entities import DatabaseName
from tests.support.checks import Checker, change
from tests.support.postgres import Urls

FAULT = ("warning", DatabaseName.CATALOG, "rows of medias")
ENABLE = "ALTER TABLE medias ENABLE ROW LEVEL SECURITY"
ALL_ROWS = "CREATE POLICY everything ON medias USING (true)"


@pytest.mark.parametrize(
    "policies",
    [
        (),
        ("CREATE POLICY movies ON medias USING (media_type = 'MOVIE')",),
        ("CREATE POLICY everything ON medias FOR UPDATE USING (true)",),
        ("CREATE POLICY everything ON medias TO postgres USING (true)",),
        (ALL_ROWS, "CREATE POLICY movies ON medias AS RESTRICTIVE USING (media_type = 'MOVIE')"),
    ],
    ids=["none", "some rows", "no reads", "another role", "restricted"],
)
def test_a_table_whose_rows_may_be_hidden_is_reported(
    check: Checker, urls: Urls, databases: Urls, policies: tuple[str, ...]
) -> None:
    change(databases, DatabaseName.CATALOG, ENABLE, *policies)
    report = check(urls)
    # Without a visible row, other findings name the empty catalog.
    assert FAULT in report.faults
    create, _, _ = report.find(FAULT[2])["to_do"].partition("; or ")
    change(databases, DatabaseName.CATALOG, create)
    is_restricted = len(policies) > 1
    assert (FAULT in check(urls).faults) == is_restricted


def test_policies_that_let_all_rows_be_read_are_accepted(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, DatabaseName.CATALOG, ENABLE, ALL_ROWS)
    assert check(urls).faults == set()
