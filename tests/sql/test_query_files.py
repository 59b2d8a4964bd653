"""Every query file is complete: it loads, has a header, and prepares."""

import itertools
import re
from pathlib import Path

import psycopg
import pytest

from recommender.databases.queries import SQL_ROOT, parse_query_file
from recommender.entities import DatabaseName
from tests.support.postgres import Urls

SERVING = sorted(path for name in DatabaseName for path in (SQL_ROOT / name).glob("*.sql"))
DIAGNOSTICS = sorted((SQL_ROOT / "diagnostics").glob("*/*.sql"))
READING = [*SERVING, *DIAGNOSTICS]
LOADING = sorted((SQL_ROOT / "loading").glob("*/*.sql"))
EVERY = [*READING, *LOADING]


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def header_of(path: Path) -> str:
    """Return the comment between the line with the name and the statement."""
    lines = path.read_text().partition("-- name:")[2].splitlines()[1:]
    header = itertools.takewhile(lambda line: line.startswith("--"), lines)
    return "\n".join(line.removeprefix("--").removeprefix(" ") for line in header)


def database_of(path: Path) -> DatabaseName:
    """Return the database of a file's statement. Those for any server run in user_db."""
    return DatabaseName.USER if path.parent.name == "server" else DatabaseName(path.parent.name)


def test_there_are_files_for_every_database() -> None:
    assert {path.parent.name for path in SERVING} == set(DatabaseName)
    assert {path.parent.name for path in DIAGNOSTICS} == {"server", *DatabaseName}


@pytest.mark.parametrize("path", READING, ids=label)
def test_a_header_says_parameters_columns_index_and_why(path: Path) -> None:
    header = header_of(path)
    for section in ("Parameters:", "Returns:", "Index:", "Why:"):
        assert re.search(rf"^{section}", header, re.MULTILINE), f"{section} is missing"


@pytest.mark.parametrize("path", READING, ids=label)
def test_a_header_describes_exactly_the_parameters_there_are(path: Path) -> None:
    query = parse_query_file(path)
    section = header_of(path).partition("Parameters:")[2].partition("Returns:")[0]
    described = re.findall(r"\b(\w+) +(?:text|int|float8|bytea)(?:\[\]|\b)", section)
    assert sorted(described) == sorted(query.parameters)


@pytest.mark.parametrize("path", EVERY, ids=label)
def test_every_query_file_loads(path: Path) -> None:
    assert parse_query_file(path).statement.rstrip().endswith(b";")


@pytest.mark.parametrize("path", READING, ids=label)
def test_every_statement_prepares_and_returns_the_columns_its_header_names(
    shared_databases: Urls, path: Path
) -> None:
    with psycopg.connect(shared_databases[database_of(path)]) as connection:
        prepared = connection.pgconn.prepare(b"checked", parse_query_file(path).numbered)
        assert prepared.status == psycopg.pq.ExecStatus.COMMAND_OK, prepared.error_message
        described = connection.pgconn.describe_prepared(b"checked")
        names = [(described.fname(column) or b"").decode() for column in range(described.nfields)]
    returned = header_of(path).partition("Returns:")[2].partition("Index:")[0]
    for name in names:
        declared = re.search(rf"\b{name} (?:text|int|bigint|float8|bytea|boolean)", returned)
        assert declared, f"{name} is not in the header"


@pytest.mark.parametrize("path", SERVING, ids=label)
def test_every_limit_has_a_total_order(path: Path) -> None:
    text = parse_query_file(path).statement.decode()
    for match in re.finditer(r"\bLIMIT\b", text):
        clause = text[: match.start()].rpartition("ORDER BY")[2]
        keys = re.findall(r"(\w+) (?:ASC|DESC)", clause)
        # A user may have several interactions with an item at one instant: type and value
        # belong to the order, if the subquery returns them. Grouped by item, that is enough.
        unique = ("user_id", "other_id", "id", "media_id", "type", "interaction_value")
        assert keys[-1] in unique, f"LIMIT after {clause!r}, which must end with a unique column: {unique}"
