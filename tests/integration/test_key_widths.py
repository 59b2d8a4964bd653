"""Binary ids of several widths are found by `check`, and named by the service in one line."""

import time
from pathlib import Path

import pytest

from recommender.entities import DatabaseName
from tests.support.checks import Checker, change, overlay
from tests.support.clients import PATIENT, running_app
from tests.support.postgres import Urls
from tests.support.waiting import eventually

_, CATALOG, ENGAGEMENT = DatabaseName
_SEVERAL = "convert_to(m.id::text || left('xx', m.release_year::int % 2), 'UTF8')"


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (_SEVERAL, "returns keys of 36 and 37 bytes"),
        ("int4send(m.release_year::int)", "returns keys of 4 bytes"),
        ("nullif(uuid_send(m.id), uuid_send(m.id))", "returns keys that are NULL"),
    ],
)
def test_keys_of_media_that_the_service_cannot_use_are_an_error(
    check: Checker, urls: Urls, tmp_path: Path, key: str, found: str
) -> None:
    sql_path = overlay(tmp_path, CATALOG, "fetch_catalogue", "uuid_send(m.id)", key)
    report = check(urls, SQL_PATH=sql_path)
    assert report.faults == {("error", CATALOG, "keys")}
    assert found in report.find("keys")["means"]


def test_keys_of_users_that_the_service_cannot_use_are_an_error(
    check: Checker, urls: Urls, tmp_path: Path
) -> None:
    sql_path = overlay(
        tmp_path, ENGAGEMENT, "fetch_histories", "uuid_send(asked.user_id)", "textsend(asked.user_id::text)"
    )
    report = check(urls, SQL_PATH=sql_path)
    assert report.faults == {("error", ENGAGEMENT, "keys")}
    assert "fetch_histories returns keys of 36 bytes" in report.find("keys")["means"]


def test_a_statement_that_fails_when_it_runs_is_an_error(check: Checker, urls: Urls, tmp_path: Path) -> None:
    key = "convert_to(repeat('x', 16 / (m.release_year::int - m.release_year::int)), 'UTF8')"
    sql_path = overlay(tmp_path, CATALOG, "fetch_catalogue", "uuid_send(m.id)", key)
    report = check(urls, SQL_PATH=sql_path)
    assert report.faults == {("error", CATALOG, "keys")}
    assert "division by zero" in report.find("keys")["means"]


def test_keys_of_one_width_are_accepted(check: Checker, urls: Urls, databases: Urls, tmp_path: Path) -> None:
    text = "convert_to(rpad(m.id::text, 40), 'UTF8')"
    sql_path = overlay(tmp_path, CATALOG, "fetch_catalogue", "uuid_send(m.id)", text)
    assert check(urls, SQL_PATH=sql_path).find("keys")["means"] == "fetch_catalogue returns keys of 40 bytes"
    change(databases, CATALOG, "UPDATE medias SET deleted_at = now()")
    assert check(urls, SQL_PATH=sql_path).faults == {("error", CATALOG, "media")}


def test_a_refresh_names_the_file_with_the_keys_once(
    databases: Urls, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sql_path = overlay(tmp_path, CATALOG, "fetch_catalogue", "uuid_send(m.id)", _SEVERAL)
    with running_app(databases, SQL_PATH=sql_path, CATALOG_REFRESH_SECONDS="1", **PATIENT) as app:
        app.extensions["container"].open()
        assert eventually(lambda: "catalog_db/fetch_catalogue" in caplog.text, 30)
        # Loads that fail are repeated each second.
        time.sleep(3)
        said = app.test_client().get("/ready").get_json()
    lines = [record for record in caplog.records if "catalog_db/fetch_catalogue" in record.message]
    assert [(line.levelname, line.exc_info) for line in lines] == [("ERROR", None)]
    assert "keys of 36 and 37 bytes" in lines[0].message
    assert "Traceback" not in caplog.text
    assert (said["status"], said["catalogue"]) == ("unavailable", None)
    assert said["load_failure"].startswith("catalog_db/fetch_catalogue returns keys of 36 and 37 bytes")
