"""`check` compares the users that a statement of the app's own counts with the number of all users."""

from pathlib import Path

from recommender.entities import DatabaseName
from tests.support.checks import Checker, overlay
from tests.support.postgres import Urls

ENGAGEMENT = DatabaseName.ENGAGEMENT
_USERS = "count(*) FILTER (WHERE pair.positive) AS user_count"


def test_views_in_place_of_users_are_a_warning(check: Checker, urls: Urls, tmp_path: Path) -> None:
    views = "count(*) FILTER (WHERE pair.positive) + 50000 AS user_count"
    sql_path = overlay(tmp_path, ENGAGEMENT, "count_positive_users", _USERS, views)
    report = check(urls, SQL_PATH=sql_path)
    assert report.faults == {("warning", ENGAGEMENT, "popularity")}
    assert "more users than there are for 160 (100.0 %) of 160 media" in report.find("popularity")["means"]


def test_users_counted_in_another_way_are_accepted(check: Checker, urls: Urls, tmp_path: Path) -> None:
    sql_path = overlay(tmp_path, ENGAGEMENT, "count_positive_users", _USERS, _USERS.replace(" AS", " / 2 AS"))
    report = check(urls, SQL_PATH=sql_path)
    assert report.faults == set()
    assert report.find("popularity")["means"].startswith("count_positive_users returns at most ")
