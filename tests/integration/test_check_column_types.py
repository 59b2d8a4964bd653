"""`check` accepts columns of other types if the statements can read them, and so does the service."""

import pytest

from recommender.entities import DatabaseName
from tests.support.checks import Checker, change
from tests.support.clients import NO_CAPS, PATIENT, get, running_client
from tests.support.postgres import Urls

USER, CATALOG, ENGAGEMENT = DatabaseName


def test_types_that_the_statements_can_read_are_accepted(
    check: Checker, urls: Urls, databases: Urls, user: str
) -> None:
    change(
        databases,
        CATALOG,
        "ALTER TABLE medias ALTER media_type TYPE smallint USING length(media_type)",
        "ALTER TABLE medias ALTER release_year TYPE smallint",
        "ALTER TABLE medias ALTER cover_url TYPE json USING to_json(cover_url)",
        "ALTER TABLE medias ALTER deleted_at TYPE date",
    )
    change(
        databases,
        ENGAGEMENT,
        "CREATE DOMAIN short AS varchar(50)",
        "CREATE DOMAIN verb AS short",
        "ALTER TABLE interaction ALTER type TYPE verb",
        "ALTER TABLE interaction ALTER timestamp TYPE date",
    )
    report = check(urls)
    assert (report.status, report.faults) == (0, set())
    assert "type character varying" in report.find("table interaction")["means"]
    with running_client(databases, **NO_CAPS, **PATIENT) as client:
        answer = get(client, user)
    assert (answer["strategy"], answer["degraded"]) == ("hybrid", [])


@pytest.mark.parametrize(
    "changed",
    [
        "ALTER TABLE medias ALTER deleted_at TYPE boolean USING deleted_at IS NOT NULL",
        "ALTER TABLE medias ALTER media_type TYPE text[] USING ARRAY[media_type]",
    ],
    ids=["no time", "several texts"],
)
def test_types_that_mean_something_else_are_errors_though_the_statements_prepare(
    check: Checker, urls: Urls, databases: Urls, changed: str
) -> None:
    change(databases, CATALOG, changed)
    report = check(urls)
    column = changed.split()[4]
    assert ("error", CATALOG, f"column medias.{column}") in report.faults
    assert report.find("statement fetch_catalogue")["level"] == "ok"
