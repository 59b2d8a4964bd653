"""What the doctor says."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

OPERATIONS = "docs/operations.md"
CONTRACT = "docs/sql-contract.md"


class Level(StrEnum):
    """`error`: the service cannot work, or not without this. `warning`: it works, worse than it could."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


_STATUS = {Level.OK: 0, Level.WARNING: 1, Level.ERROR: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` something of a `database`: what it `means`, and, unless it is ok, what to do."""

    level: Level
    database: str
    about: str
    means: str
    to_do: str = ""


def exit_status(findings: Iterable[Finding]) -> int:
    """0, 1 where there are warnings, 2 where there are errors."""
    return max((_STATUS[finding.level] for finding in findings), default=0)
