"""Every command works behind PgBouncer in both modes, and dropped settings are detected."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import create_app
from config.setting_types import ROOT
from recommender.demo.embedded import PostgresServer
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError
from tests.support.checks import PASSWORD, Checker, Report, change
from tests.support.clients import NO_CAPS, PATIENT, get, running_client, settings_for
from tests.support.commands import Run
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import Urls
from tests.support.reference import Reference

pytestmark = pytest.mark.slow

USER = DatabaseName.USER
IGNORING = {"ignore_startup_parameters": "options"}
# The settings of docs/how-to/run-behind-pgbouncer.md, for each mode of PgBouncer.
SESSION = "session", {"SESSION_SETTINGS_BY": "set"}
TRANSACTION = "transaction", {"SESSION_SETTINGS_BY": "role", "PREPARED_STATEMENTS": "false"}
WORKING = [(*SESSION, {}), (*SESSION, IGNORING), (*TRANSACTION, {}), (*TRANSACTION, IGNORING)]


@pytest.fixture(params=WORKING, ids=lambda way: f"{way[0]}{'-ignoring' if way[2] else ''}")
def pooled(
    request: pytest.FixtureRequest, server: PostgresServer, urls: Urls
) -> Iterator[tuple[Urls, dict[str, str]]]:
    """Return URLs through a PgBouncer and its settings, with the documented role."""
    mode, variables, ignored = request.param
    by_role = variables["SESSION_SETTINGS_BY"] == "role"
    if by_role:
        change_role(urls, *documented_settings())
    with running_pgbouncer(server, urls, {"pool_mode": mode, **ignored}) as through:
        yield through, variables
    if by_role:
        change_role(urls, "ALTER ROLE marquee RESET ALL")


def sessions(report: Report) -> set[tuple[str, str]]:
    return {
        (finding["level"], finding["database"])
        for finding in report.findings
        if finding["about"] == "session"
    }


def documented_settings() -> list[str]:
    text = (ROOT / "docs" / "how-to" / "run-behind-pgbouncer.md").read_text()
    return re.findall(r"^ +(ALTER ROLE marquee SET .*;)$", text, flags=re.MULTILINE)


def change_role(urls: Urls, *statements: str) -> None:
    change({USER: urls[USER].replace(f"marquee:{PASSWORD}", "postgres")}, USER, *statements)


def test_answers_through_pgbouncer_are_the_same(
    pooled: tuple[Urls, dict[str, str]], databases: Urls, caplog: pytest.LogCaptureFixture
) -> None:
    through, variables = pooled
    users = Reference(databases).users[:10]
    with running_client(databases, **NO_CAPS, **PATIENT) as direct:
        expected = [get(direct, user) for user in users]
    with running_client(through, **NO_CAPS, **PATIENT, **variables) as client:
        assert [get(client, user) for user in users] == expected
        assert client.get("/ready").get_json()["status"] == "ready"
    assert "do not have the settings" not in caplog.text


@pytest.mark.parametrize("pooled", [WORKING[0], WORKING[-1]], indirect=True)
def test_commands_through_pgbouncer_work_repeatedly(
    pooled: tuple[Urls, dict[str, str]], run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    through, variables = pooled
    settings = {**variables, **{f"{name.upper()}_URL": url for name, url in through.items()}}
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    user = Reference(through).users[0]
    for command in (
        ("train", "neighbours"),
        ("train", "neighbours"),
        ("recommend", user),
        ("batch", "--all-users", "--output", tmp_path / "all.ndjson"),
    ):
        result = run(*command)
        assert result.status == 0, result.err


@pytest.mark.parametrize("pooled", [WORKING[0], WORKING[-1]], indirect=True)
def test_check_through_pgbouncer_finds_no_fault(pooled: tuple[Urls, dict[str, str]], check: Checker) -> None:
    through, variables = pooled
    assert sessions(check(through, **variables)) == {("ok", name) for name in DatabaseName}


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_settings_that_pgbouncer_drops_are_an_error_of_check_and_logged(
    mode: str,
    server: PostgresServer,
    urls: Urls,
    check: Checker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running_pgbouncer(server, urls, {"pool_mode": mode, **IGNORING}) as through:
        report = check(through)
        assert sessions(report) == {("error", name) for name in DatabaseName}
        finding = next(finding for finding in report.findings if finding["about"] == "session")
        assert "default_transaction_read_only is off instead of on" in finding["means"]
        assert "SESSION_SETTINGS_BY" in finding["to_do"]
        caplog.clear()
        with running_client(through, **PATIENT):
            pass
    told = [record for record in caplog.records if "do not have the settings" in record.getMessage()]
    # One line for each pool, whatever its number of connections.
    assert 1 <= len(told) <= 5
    assert "statement_timeout is 0 instead of 120000" in caplog.text


def test_settings_that_pgbouncer_refuses_are_explained_by_check(
    server: PostgresServer, urls: Urls, check: Checker
) -> None:
    with running_pgbouncer(server, urls, {"pool_mode": "session"}) as through:
        report = check(through)
    findings = [finding for finding in report.findings if finding["about"] == "connection"]
    assert [finding["level"] for finding in findings] == ["error"] * 3
    for finding in findings:
        assert "startup parameter" in finding["means"]
        assert "SESSION_SETTINGS_BY" in finding["to_do"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("target_session_attrs=read-write", "target_session_attrs=read-write"),
        ("target_session_attrs=read-only", "target_session_attrs=standby or prefer-standby"),
        ("options=-c%20default_transaction_read_only%3Doff", "default_transaction_read_only"),
        ("options=-cdefault_transaction_read_only%3DFALSE", "default_transaction_read_only"),
    ],
)
def test_a_url_that_contradicts_the_service_is_refused_at_start(
    shared_databases: Urls, query: str, named: str
) -> None:
    contradicting = {**shared_databases, USER: f"{shared_databases[USER]}?{query}"}
    with pytest.raises(ConfigurationError, match=named) as caught:
        create_app(settings_for(contradicting))
    assert "user_db" in str(caught.value)


def test_a_url_with_read_only_is_allowed_if_connections_do_not_begin_read_only(
    shared_databases: Urls,
) -> None:
    urls = {**shared_databases, USER: f"{shared_databases[USER]}?target_session_attrs=read-only"}
    create_app(settings_for(urls, SESSION_SETTINGS_BY="set"))


def test_an_environment_that_contradicts_the_service_is_refused_at_start(
    shared_databases: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "read-write")
    with pytest.raises(ConfigurationError, match="PGTARGETSESSIONATTRS"):
        create_app(settings_for(shared_databases))


def test_options_of_a_url_are_kept_beside_the_services_own(
    shared_databases: Urls, caplog: pytest.LogCaptureFixture
) -> None:
    # A setting whose effect is visible: it breaks statements.
    elsewhere = {**shared_databases, USER: f"{shared_databases[USER]}?options=-c%20search_path%3Dnowhere"}
    with running_client(elsewhere, **PATIENT) as client:
        assert get(client, Reference(shared_databases).users[0])["degraded"] == ["user_db"]
    assert "do not have the settings" not in caplog.text
