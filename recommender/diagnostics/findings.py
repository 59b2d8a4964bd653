"""The findings of a check."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

# Documents that messages refer to.
CONNECTING = "docs/how-to/connect-your-databases.md"
CONTRACT = "docs/how-to/use-your-own-tables.md"
DEPLOYING = "docs/how-to/deploy.md"
POOLERS = "docs/how-to/run-behind-pgbouncer.md"


class Level(StrEnum):
    """`error`: the service or a part of it cannot work. `warning`: it works worse than it could."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


_NAMES_SHOWN = 6
_LONGEST_NAME = 40
_PLAIN_NAME = re.compile(r"[\w-]+( [\w-]+)*")

_STATUS = {Level.OK: 0, Level.WARNING: 1, Level.ERROR: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found `about` a part of a `database`, and, unless it is ok, what to do."""

    level: Level
    database: str
    about: str
    means: str
    to_do: str = ""


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 2 if there are errors, else 1 if there are warnings, else 0."""
    return max((_STATUS[finding.level] for finding in findings), default=0)


def share(part: int, whole: int) -> str:
    """Return `part` as a number, and in percent of `whole`."""
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else f"{part:,}"


def some(names: Sequence[str], limit: int = _NAMES_SHOWN) -> str:
    """Return the first few names as a list, with the number left out."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def shown(name: str | None) -> str:
    """Return a value of the data on one line, quoted unless it is plain words."""
    if name is None:
        return "NULL"
    short = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    return short if _PLAIN_NAME.fullmatch(short) else repr(short)
