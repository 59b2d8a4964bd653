"""The SQL files: found, overlaid, parsed and checked once at start."""

from dataclasses import dataclass
from pathlib import Path

import aiosql
from aiosql.utils import SQLLoadException, SQLParseException

from recommender.errors import ConfigurationError

SQL_ROOT = Path(__file__).resolve().parents[2] / "sql"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement of a query file, with driver placeholders and its header's text."""

    name: str
    statement: bytes
    parameters: tuple[str, ...]
    header: str
    path: Path

    @property
    def numbered(self) -> bytes:
        """The statement with numbered parameters, as PREPARE takes it."""
        statement = self.statement
        for number, name in enumerate(self.parameters, start=1):
            statement = statement.replace(b"%%(%s)s" % name.encode(), b"$%d" % number)
        # The driver wants a percent sign doubled where there are parameters.
        return statement.replace(b"%%", b"%") if self.parameters else statement


def parse_query_file(path: Path) -> Query:
    """Read the one statement of a file.

    Raises:
        ConfigurationError: the file is missing or malformed, holds more than one statement, or
            declares a name other than its own.
    """
    try:
        queries = aiosql.from_path(path, "psycopg")
    except (SQLLoadException, SQLParseException, OSError, ValueError) as exc:
        raise ConfigurationError(f"{path}: cannot be read as a query file: {exc}") from exc
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    if names != [path.stem]:
        raise ConfigurationError(f"{path}: must declare one query named {path.stem}, not {names}")
    function = getattr(queries, path.stem)
    return Query(
        name=path.stem,
        statement=function.sql.encode(),
        parameters=tuple(function.parameters or ()),
        header=function.__doc__ or "",
        path=path,
    )


def load_queries(folder: str, overlay: Path | None = None) -> dict[str, Query]:
    """Load `sql/<folder>/*.sql`, each file replaced by `overlay/<folder>/` where it has one.

    Raises:
        ConfigurationError: a file is unreadable; an overlay has a file that replaces none of ours, or
            asks for a parameter that the file it replaces does not take.
    """
    queries = {path.stem: parse_query_file(path) for path in sorted((SQL_ROOT / folder).glob("*.sql"))}
    if overlay is None:
        return queries
    for path in sorted((overlay / folder).glob("*.sql")):
        ours = queries.get(path.stem)
        if ours is None:
            known = ", ".join(sorted(queries))
            raise ConfigurationError(f"{path}: replaces no query of {folder}; there are: {known}")
        theirs = parse_query_file(path)
        unknown = sorted(set(theirs.parameters) - set(ours.parameters))
        if unknown:
            raise ConfigurationError(
                f"{path}: {path.stem} is given {', '.join(ours.parameters) or 'no parameters'}; "
                f"there is no {', '.join(unknown)}"
            )
        queries[path.stem] = theirs
    return queries
