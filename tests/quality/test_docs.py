"""Documents match the code: each setting, endpoint and command is described once, and no others are."""

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

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
README_LINES = 150
DOCS_WIDTH = 120
FIELDS = Settings.variables()


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    # Closed, because its pools would keep trying to connect.
    with running_app(dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere")) as app:
        yield app


def without_code(text: str) -> str:
    """Remove code blocks from a document: a hash in them is no heading, and brackets are no link."""
    return re.sub(r"^```.*?^```$|^ {4}[^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(document: Path) -> Iterator[tuple[str, str]]:
    """Return path and anchor of each link of a document to a file of this project."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(document.read_text())):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def found_in_documents(pattern: str) -> list[tuple[str, Path]]:
    """Return the matches of a pattern at the beginnings of lines, with their documents."""
    return [
        (found, document)
        for document in DOCUMENTS
        for found in re.findall(pattern, document.read_text(), re.MULTILINE)
    ]


def documented_settings() -> list[tuple[str, str]]:
    rows = re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", (REFERENCE / "settings.md").read_text(), re.MULTILINE)
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


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_lines_are_short(document: Path) -> None:
    # Rows of tables and JSON cannot be wrapped.
    text = re.sub(r"^```.*?^```$|^\|[^\n]*$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in text.splitlines() if len(line) > DOCS_WIDTH] == []


@pytest.mark.parametrize(
    ("pattern", "page"),
    [
        (r"^\| `([A-Z_]{4,})` \|", "settings.md"),
        (r"^#+ `([A-Z]+ /\S*)`$", "api.md"),
        (r"^\| `(python -m recommender [a-z-]+)", "commands.md"),
        (r"^\| [0-9, ]+ \| (`[a-z_]+`[^|]*) \|", "api.md"),
        (r"^\| `(marquee_\w+)` \|", "metrics.md"),
        (r"^\| `(\w+_db/\w+)` \|", "sql-files.md"),
    ],
)
def test_a_name_is_explained_once_and_in_the_reference(pattern: str, page: str) -> None:
    found = found_in_documents(pattern)
    assert {document for _, document in found} == {REFERENCE / page}
    names = [name for name, _ in found]
    assert len(set(names)) == len(names)


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
        # Without fragments of pages, which are internal, and routes that only refuse a method or redirect.
        if not (rule.endpoint.endswith(".static") or rule.rule.startswith("/explorer/"))
        and client.open(rule.rule, method=method).status_code not in (405, 308)
    }
    reference = (REFERENCE / "api.md").read_text()
    assert set(re.findall(r"^## `([A-Z]+ /\S*)`$", reference, re.MULTILINE)) == served


def test_every_command_is_documented_and_no_other() -> None:
    reference = (REFERENCE / "commands.md").read_text()
    documented = re.findall(r"^\| `python -m recommender ([a-z-]+)", reference, re.MULTILINE)
    assert sorted(documented) == sorted(commands.list_commands(click.Context(commands)))
    assert len(set(documented)) == len(documented)


def test_every_error_code_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| [0-9, ]+ \| ([^|]*) \|", (REFERENCE / "api.md").read_text(), re.MULTILINE)
    documented = [code for row in rows for code in re.findall(r"`([a-z_]+)`", row)]
    assert sorted(documented) == sorted(ErrorCode)


def test_every_query_file_is_in_the_contract_and_no_other() -> None:
    reference = (REFERENCE / "sql-files.md").read_text()
    documented = re.findall(r"^\| `(\w+/\w+)` \|", reference, re.MULTILINE)
    files = [f"{name}/{path.stem}" for name in DatabaseName for path in (SQL_ROOT / name).glob("*.sql")]
    assert sorted(documented) == sorted(files)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_exist(document: Path) -> None:
    for target, anchor in links(document):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"
    # All but the files that a recipe creates.
    text = re.sub("^Create `.*`:$", "", document.read_text(), flags=re.MULTILINE)
    for named in re.findall(r"`((?:recommender|tests|sql|config|docs)/[\w./-]+)`", text):
        assert (ROOT / named).exists(), named


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    left = [ROOT / "README.md"]
    while left:
        document = left.pop()
        if document in reached:
            continue
        reached.add(document)
        paths = [(document.parent / target).resolve() for target, _ in links(document) if target]
        left += [path for path in paths if path.suffix == ".md"]
    assert set(DOCUMENTS) <= reached


def test_pages_named_in_code_or_settings_exist() -> None:
    files = [*(ROOT / "recommender").rglob("*.py"), *(ROOT / "config").glob("*.*"), ROOT / ".env.example"]
    named = {page for path in files for page in re.findall(r"docs/[\w/.-]+\.md", path.read_text())}
    assert len(named) > 5
    for page in named:
        assert (ROOT / page).exists(), page


def test_decisions_are_numbered_dated_and_listed() -> None:
    listed = (DOCS / "decisions" / "README.md").read_text()
    assert [int(path.name[:3]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for path in DECISIONS:
        heading, empty, date, *_ = path.read_text().splitlines()
        number, _, title = heading.removeprefix("# ").partition(": ")
        assert (number, empty) == (path.name[:3], "")
        day = date.removeprefix("Date: ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", day), path.name
        assert f"| [{number}]({path.name}) | {day} | {title} |" in listed


def test_variables_in_the_deployment_files_are_settings() -> None:
    compose = (ROOT / "compose.yaml").read_text()
    dockerfile = (ROOT / "Dockerfile").read_text()
    named = set(re.findall(r"^ +([A-Z_]+):", compose, re.MULTILINE)) - {"POSTGRES_USER", "POSTGRES_PASSWORD"}
    named |= set(re.findall(r"^ +([A-Z]+)=", dockerfile, re.MULTILINE)) - {"PATH"}
    assert named >= {"DB_HOST", "HOST"}
    assert named <= set(FIELDS) | {"NUMBA_CACHE_DIR", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def test_the_image_copies_existing_files_that_the_build_may_read() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    visible = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists()
            assert source in visible


def test_the_image_runs_as_a_number_that_any_user_of_its_group_can_stand_in_for() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    (user,) = re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d{4,}:0", user)
    assert f"--uid {user.partition(':')[0]} --gid 0" in dockerfile
    (made,) = re.findall(r"^RUN mkdir (.+)$", dockerfile, re.MULTILINE)
    assert made == f".models && chown {user} .models && chmod g=u .models"


def logged_lines(path: Path) -> Iterator[str]:
    """Return the lines that a module logs at `INFO` and above, with an ellipsis for each value."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func)
            in {f"logger.{level}" for level in ("info", "warning", "error", "exception")}
            and isinstance(node.args[0], ast.Constant)
        ):
            yield re.sub(r"%[.\d]*[a-z]", "…", str(node.args[0].value))


def test_every_line_that_is_logged_of_training_and_models_is_explained() -> None:
    reference = (REFERENCE / "logs.md").read_text().partition("## Training and models\n")[2]
    explained = re.findall(r"^\| `([^`]+)` \|", reference, re.MULTILINE)
    modules = [
        *(ROOT / "recommender" / "trainer").glob("*.py"),
        ROOT / "recommender" / "cli" / "trainer.py",
        ROOT / "recommender" / "model_store" / "watcher.py",
        ROOT / "recommender" / "serving" / "recommendations.py",
    ]
    assert sorted(explained) == sorted({line for path in modules for line in logged_lines(path)})


def test_every_test_named_in_the_documents_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (DOCS / "explanation" / "failures.md").read_text())
    assert len(named) > 10
    for file, test in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {test}(" in path.read_text(), f"{file}::{test}"
