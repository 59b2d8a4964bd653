"""Fixtures of the tests of commands, and a database that hangs."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.setting_types import ROOT
from recommender.batch import run as batch_run
from recommender.cli import batch as batch_command
from recommender.cli import check as check_command
from recommender.cli.main import main
from recommender.demo.embedded import PostgresServer, server_url
from recommender.diagnostics.findings import Finding
from recommender.entities import DatabaseName
from recommender.models.registry import MODELS
from recommender.trainer import candidates
from tests.support.checks import PASSWORD, Checker, Report, change
from tests.support.commands import Run, runner
from tests.support.postgres import Urls
from tests.support.proxy import HangingProxy, hanging_proxy


@pytest.fixture
def proxy(server: PostgresServer) -> Iterator[HangingProxy]:
    """Stand between clients and PostgreSQL, and hang when told to."""
    info = server.get_postmaster_info()
    with hanging_proxy(Path(str(info.socket_dir)) / f".s.PGSQL.{info.port}") as proxy:
        yield proxy


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checker:
    """Run the command as JSON, and show its findings as text. Assert that neither contains the password."""

    def run(urls: Urls, **variables: str) -> Report:
        for name in DatabaseName:
            monkeypatch.setenv(f"{name.upper()}_URL", urls[name])
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        status = main(["check", "--json"])
        as_json = capsys.readouterr()
        said: dict[str, Any] = json.loads(as_json.out)
        assert said["status"] == status
        findings = [Finding(**finding) for finding in said["findings"]]
        with monkeypatch.context() as patch:
            # A second check would take as long as the first, and find the same.
            patch.setattr(check_command, "check_databases", lambda *_: iter(findings))
            assert main(["check"]) == status
        table = capsys.readouterr()
        assert PASSWORD not in as_json.out + as_json.err + table.out + table.err
        assert (as_json.err, table.err) == ("", "")
        for finding in said["findings"]:
            assert f"  {finding['level']:<8} {finding['about']}: " in table.out
            assert not re.search(r"[\n\r]", finding["means"] + finding["to_do"])
            assert (finding["to_do"] == "") == (finding["level"] == "ok")
            assert finding["to_do"] in table.out
        return Report(status, said["findings"])

    return run


@pytest.fixture(scope="module")
def role(server: PostgresServer) -> Iterator[str]:
    """Create the role of docs/how-to/connect-your-databases.md. Grants are made for each database."""
    with psycopg.connect(server_url(server, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE marquee LOGIN PASSWORD '{PASSWORD}'".encode())
        yield "marquee"
        connection.execute("DROP ROLE marquee")


@pytest.fixture
def urls(databases: Urls, role: str) -> Urls:
    """Return URLs of the databases for that role, with the documented grants."""
    document = (ROOT / "docs" / "how-to" / "connect-your-databases.md").read_text()
    grants = re.findall(r"-- in (\w+)\n +(GRANT .*;)", document)
    assert len(grants) == 3
    for name, grant in grants:
        change(databases, DatabaseName(name), grant)
    return {name: url.replace("postgres@", f"{role}:{PASSWORD}@") for name, url in databases.items()}


@pytest.fixture
def run(shared_databases: Urls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(shared_databases, monkeypatch, capsys)


@pytest.fixture
def run_patiently(
    databases: Urls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run commands on databases that the test may change, but that do not fail."""
    return runner(databases, monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder for models, which does not exist yet."""
    return tmp_path / "models"


@pytest.fixture
def run_on_models(run_patiently: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run commands on databases that the test may change, and on its own folder of models."""
    monkeypatch.setenv("MODEL_PATH", str(folder))
    return run_patiently


@pytest.fixture
def quick_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the trainer compare only models that train quickly."""
    quick = {name: MODELS[name] for name in ("popularity", "neighbours", "item_knn")}
    monkeypatch.setattr(candidates, "MODELS", quick)


@pytest.fixture
def user(databases: Urls) -> str:
    """Return the first user with interactions."""
    with psycopg.connect(databases[DatabaseName.ENGAGEMENT]) as connection:
        (found,) = connection.execute("SELECT min(user_id::text) FROM interaction").fetchall()
        return str(found[0])


@pytest.fixture
def run_alone(run_patiently: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    # Tests make outages here, so timeouts are short.
    monkeypatch.setenv("POOL_TIMEOUT_MS", "300")
    return run_patiently


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run, "_USERS_AT_ONCE", 20)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Call a function once, after the given number of users is done."""

    def arrange(users: int, act: Callable[[], object]) -> None:
        waiting = [act]

        def show(done: int) -> None:
            if done >= users and waiting:
                waiting.pop()()

        @contextmanager
        def progress(_label: str, _total: int, _done: int) -> Iterator[Callable[[int], None]]:
            yield show

        monkeypatch.setattr(batch_command, "progress", progress)

    return arrange
