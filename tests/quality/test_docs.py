"""The documents tell the truth: every setting, endpoint and command once, and nothing that is not there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from dotenv import dotenv_values
from flask import Flask

from config.request_settings import UUID_PATTERN
from config.setting_types import ROOT
from config.settings import Settings
from recommender.api.errors import ErrorCode
from recommender.cli.main import commands
from recommender.databases.queries import SQL_ROOT
from recommender.entities import DatabaseName
from tests.support.clients import running_app

README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FIELDS = Settings.variables()


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    # Closed: what it opens when it is asked would go on trying to connect.
    with running_app(dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere")) as app:
        yield app


def section(title: str) -> str:
    """The README's text below a heading, down to the next of its level."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def documented_settings() -> list[tuple[str, str]]:
    rows = re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", section("Settings"), re.MULTILINE)
    return [(name, default.strip().strip("`")) for name, default in rows]


def as_text(name: str) -> str:
    default = FIELDS[name].default
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, Path):
        return default.relative_to(ROOT).as_posix()
    return str(default)


def test_the_settings_table_holds_every_setting_once_with_its_default() -> None:
    documented = documented_settings()
    assert sorted(name for name, _ in documented) == sorted(FIELDS)
    for name, default in documented:
        assert default == ("a UUID" if name.endswith("ID_PATTERN") else as_text(name)), name


def test_the_example_dotenv_holds_every_setting_with_its_default(tmp_path: Path) -> None:
    uncommented = tmp_path / ".env"
    uncommented.write_text(
        re.sub(r"^#(?=[A-Z_]+=)", "", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    )
    values = dotenv_values(uncommented)
    assert sorted(values) == sorted(FIELDS)
    for name, value in values.items():
        assert value == (UUID_PATTERN if name.endswith("ID_PATTERN") else as_text(name)), name


def test_every_endpoint_is_documented_and_no_other(app: Flask) -> None:
    client = app.test_client()
    served = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        # Not the parts of pages, which are their own affair; and one route exists to refuse a method.
        if not (rule.endpoint.endswith(".static") or rule.rule.startswith("/explorer/"))
        and client.open(rule.rule, method=method).status_code != 405
    }
    assert set(re.findall(r"^### `([A-Z]+ /\S*)`$", section("API"), re.MULTILINE)) == served


def test_every_command_is_documented_and_no_other() -> None:
    documented = re.findall(r"^\| `python -m recommender ([a-z-]+)", section("Commands"), re.MULTILINE)
    assert sorted(documented) == sorted(commands.list_commands(click.Context(commands)))
    assert len(set(documented)) == len(documented)


def test_every_error_code_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| [0-9, ]+ \| ([^|]*) \|", section("API"), re.MULTILINE)
    documented = [code for row in rows for code in re.findall(r"`([a-z_]+)`", row)]
    assert sorted(documented) == sorted(ErrorCode)


def test_every_query_file_is_in_the_contract_and_no_other() -> None:
    contract = (ROOT / "docs" / "sql-contract.md").read_text()
    documented = re.findall(r"^\| `(\w+/\w+)` \|", contract, re.MULTILINE)
    files = [f"{name}/{path.stem}" for name in DatabaseName for path in (SQL_ROOT / name).glob("*.sql")]
    assert sorted(documented) == sorted(files)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", text):
        assert not target or (document.parent / target).exists(), target
    for path in re.findall(r"`((?:recommender|tests|sql|config|docs)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_variables_in_the_deployment_files_are_settings() -> None:
    compose = (ROOT / "compose.yaml").read_text()
    dockerfile = (ROOT / "Dockerfile").read_text()
    named = set(re.findall(r"^ +([A-Z_]+):", compose, re.MULTILINE)) - {"POSTGRES_USER", "POSTGRES_PASSWORD"}
    named |= set(re.findall(r"^ +([A-Z]+)=", dockerfile, re.MULTILINE)) - {"PATH"}
    assert named >= {"DB_HOST", "HOST"}
    assert named <= set(FIELDS) | {"NUMBA_CACHE_DIR", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def test_the_image_copies_what_exists_and_what_the_build_may_see() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    visible = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists()
            assert source in visible


def logged_lines(path: Path) -> Iterator[str]:
    """What a module logs from `INFO` on, with an ellipsis for each value."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func)
            in {f"logger.{level}" for level in ("info", "warning", "error", "exception")}
            and isinstance(node.args[0], ast.Constant)
        ):
            yield re.sub(r"%[.\d]*[a-z]", "…", str(node.args[0].value))


def test_every_line_that_is_logged_of_training_and_models_is_explained() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text().partition("### What its log lines mean\n")[2]
    explained = set(re.findall(r"^\| `([^`]+)` \|", guide.partition("\n## ")[0], re.MULTILINE))
    modules = [
        *(ROOT / "recommender" / "trainer").glob("*.py"),
        ROOT / "recommender" / "model_store" / "watcher.py",
    ]
    assert explained == {line for path in modules for line in logged_lines(path)}


def test_every_promise_names_a_test_that_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs" / "operations.md").read_text())
    assert len(named) > 10
    for file, test in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {test}(" in path.read_text(), f"{file}::{test}"
