"""What the diagnostics report."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

# Where the documents say more.
CONNECTING = "docs/how-to/connect-your-databases.md"
CONTRACT = "docs/how-to/use-your-own-tables.md"
DEPLOYING = "docs/how-to/deploy.md"
POOLERS = "docs/how-to/run-behind-pgbouncer.md"


class Level(StrEnum):
    """`error`: the service cannot work, or not without this. `warning`: it works, worse than it could."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


_NAMES_SHOWN = 6
_LONGEST_NAME = 40
_PLAIN_NAME = re.compile(r"[\w-]+( [\w-]+)*")

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


def share(part: int, whole: int) -> str:
    """Return `part` of `whole`, as a number and in per cent."""
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else f"{part:,}"


def some(names: Sequence[str], limit: int = _NAMES_SHOWN) -> str:
    """Return the first of some names in a list, with the number of those left out."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def shown(name: str | None) -> str:
    """Return a value of the data so that it can stand in a line: quoted where it is not plain words."""
    if name is None:
        return "NULL"
    short = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    return short if _PLAIN_NAME.fullmatch(short) else repr(short)


def quoted(name: str) -> str:
    """Return the name of a role or database as SQL takes it."""
    return name if name.isidentifier() and name == name.lower() else '"' + name.replace('"', '""') + '"'
