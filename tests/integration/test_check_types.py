"""`check` compares interaction types and their values with what the settings make of them."""

from recommender.entities import DatabaseName
from tests.support.checks import Checker, change
from tests.support.postgres import Urls

ENGAGEMENT = DatabaseName.ENGAGEMENT
_TO_START = "UPDATE interaction SET type = 'START' WHERE type = 'DISLIKE'"


def test_an_app_without_dislikes_is_healthy_whatever_other_types_it_has(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    change(databases, ENGAGEMENT, _TO_START)
    report = check(urls, EXCLUDING_TYPES="LIKE,WATCH")
    assert report.faults == set()
    assert "is DISLIKE" in report.find("types that do not occur")["means"]
    assert "START" in report.find("types without meaning")["means"]


def test_a_type_that_was_set_must_occur(check: Checker, urls: Urls, databases: Urls) -> None:
    change(databases, ENGAGEMENT, _TO_START)
    report = check(urls, EXCLUDING_TYPES="LIKE,WATCH", DISLIKE_TYPES="SKIP")
    assert ("warning", ENGAGEMENT, "types that do not occur") in report.faults
    assert "DISLIKE_TYPES" in report.find("types that do not occur")["to_do"]


def test_dislikes_that_do_not_exclude_are_a_warning_and_the_setting_given_corrects_it(
    check: Checker, urls: Urls
) -> None:
    report = check(urls, EXCLUDING_TYPES="LIKE,WATCH")
    assert report.faults == {("warning", ENGAGEMENT, "dislikes that do not exclude")}
    finding = report.find("dislikes that do not exclude")
    assert finding["means"].startswith("DISLIKE 1,551 (")
    assert finding["to_do"] == "Set EXCLUDING_TYPES=LIKE,WATCH,DISLIKE."
    assert check(urls, EXCLUDING_TYPES="LIKE,WATCH,DISLIKE").faults == set()
