"""Runs `check` in tests, and breaks databases for it to find."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from recommender.databases.queries import SQL_ROOT
from recommender.entities import DatabaseName
from tests.support.postgres import Urls

PASSWORD = "hunter2"  # noqa: S105 - not a real password

Fault = tuple[str, str, str]


@dataclass(frozen=True)
class Report:
    """The output of `check --json`."""

    status: int
    findings: list[dict[str, str]]

    @property
    def faults(self) -> set[Fault]:
        """Return level, database and subject of all findings that are not ok."""
        return {
            (finding["level"], finding["database"], finding["about"])
            for finding in self.findings
            if finding["level"] != "ok"
        }

    def find(self, about: str) -> dict[str, str]:
        """Return the one finding on a subject."""
        (found,) = [finding for finding in self.findings if finding["about"] == about]
        return found


Checker = Callable[..., Report]


def change(databases: Urls, name: DatabaseName, *statements: str) -> None:
    """Run statements as the owner."""
    with psycopg.connect(databases[name], autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def overlay(folder: Path, name: DatabaseName, query: str, old: str, new: str) -> str:
    """Write a copy of a query file with a replaced text. Return the SQL_PATH to set."""
    path = folder / name / f"{query}.sql"
    path.parent.mkdir(exist_ok=True)
    text = (SQL_ROOT / name / f"{query}.sql").read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return str(folder)
