"""Find, overlay, parse and check the SQL files, once at start."""

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiosql
from aiosql.utils import SQLLoadException, SQLParseException

from recommender.databases.sql_text import tokens
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError

SQL_ROOT = Path(__file__).resolve().parents[2] / "sql"

_DECLARATION = re.compile(r"--\s*name\s*:\s*[\w-]+\s*(?:\W|$)")
# aiosql or the driver would take these for parameters, also outside of literals.
_NO_PARAMETER = re.compile(r"%%?|:(?=\d)")
_SECOND_STATEMENT = re.compile(r";[\s;]*[^\s;]")
# Private-use characters around the number of a text that is hidden from aiosql.
_KEPT = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True, slots=True)
class Query:
    """One statement of a query file, without comments.

    `statement`: with the driver's placeholders, for execution. `numbered`: with numbered parameters, for
    PREPARE.
    """

    name: str
    statement: bytes
    numbered: bytes
    parameters: tuple[str, ...]
    path: Path


def parse_query_file(path: Path) -> Query:
    """Read the one statement of a file.

    Raises:
        ConfigurationError: the file is missing or malformed, holds more than one statement, or
            declares a name other than its own.
    """
    try:
        return _parse(path, path.read_text(encoding="utf-8-sig"))
    except (SQLLoadException, SQLParseException, OSError, ValueError) as exc:
        raise ConfigurationError(f"{path}: cannot be read as a query file: {exc}") from exc


# Cached: every pool on a database parses the same files.
@functools.lru_cache(maxsize=256)
def _parse(path: Path, text: str) -> Query:
    """Parse the text of a query file; the same text at the same path is parsed once."""
    source = _read(text)
    queries = aiosql.from_str(source.text, "psycopg")
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    if names != [path.stem]:
        raise ConfigurationError(f"{path}: must declare one query named {path.stem}, not {names}")
    function = getattr(queries, path.stem)
    if _SECOND_STATEMENT.search(function.sql):
        raise ConfigurationError(f"{path}: must hold one statement, but there is more text after a semicolon")
    parameters = tuple(function.parameters or ())
    return Query(
        name=path.stem,
        statement=source.restored(function.sql, percent_sign="%%").encode(),
        numbered=source.restored(_numbered(function.sql, parameters), percent_sign="%").encode(),
        parameters=parameters,
        path=path,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """A query file that aiosql can read: without comments, `kept` texts replaced by their numbers."""

    text: str
    kept: list[str]

    def restored(self, statement: str, *, percent_sign: str) -> str:
        """Restore the kept texts; `percent_sign` replaces percent signs, doubled or not in the file."""

        def text_of(number: re.Match[str]) -> str:
            return self.kept[int(number[1])].replace("%%", "%").replace("%", percent_sign)

        return _KEPT.sub(text_of, statement)


def _read(text: str) -> _Source:
    """Remove comments, and hide from aiosql what it could take for a parameter or a quote."""
    parts: list[str] = []
    kept: list[str] = []

    def keep(part: str) -> str:
        kept.append(part)
        return f"\ue000{len(kept) - 1}\ue001"

    is_declared = False
    for token in tokens(text):
        if token.is_comment:
            if not is_declared and _DECLARATION.match(token.text):
                is_declared = True
                parts.append(token.text)
            elif not token.text.startswith("--"):
                # To PostgreSQL, a comment separates words.
                parts.append(" ")
        elif token.is_opaque:
            parts.append(keep(token.text))
        else:
            parts.append(_NO_PARAMETER.sub(lambda found: keep(found[0]), token.text))
    return _Source("".join(parts), kept)


def _numbered(statement: str, parameters: tuple[str, ...]) -> str:
    for number, name in enumerate(parameters, start=1):
        statement = statement.replace(f"%({name})s", f"${number}")
    return statement


def refuse_overlays_without(parameter: str, folder: str, overlay: Path | None) -> None:
    """Refuse overlays without a parameter that the replaced statement takes.

    Raises:
        ConfigurationError: there is such an overlay, or `load_queries` refuses one.
    """
    ours = load_queries(folder)
    for name, query in load_queries(folder, overlay).items():
        if parameter in query.parameters:
            continue
        if name in ours and parameter in ours[name].parameters:
            raise ConfigurationError(
                f"{query.path}: {name} does not take {parameter}, as the statement that it replaces does, so "
                "it cannot answer as of a past moment (docs/how-to/use-your-own-tables.md says what to add)"
            )


def optional_queries(folder: str) -> dict[str, Query]:
    """Load `sql/optional/<folder>/*.sql`: examples of statements that only an overlay may add.

    Raises:
        ConfigurationError: a file is unreadable.
    """
    return load_queries(f"optional/{folder}")


def load_queries(folder: str, overlay: Path | None = None) -> dict[str, Query]:
    """Load `sql/<folder>/*.sql`, each file replaced by `overlay/<folder>/` where it has one.

    An overlay may also have files of `sql/optional/<folder>/`.

    Raises:
        ConfigurationError: `refuse_misplaced` or `overlaid_queries` refuses a file.
    """
    if overlay is not None:
        refuse_misplaced(overlay)
    return overlaid_queries(folder, overlay)


def overlaid_queries(folder: str, overlay: Path | None) -> dict[str, Query]:
    """Load what `load_queries` does, whatever files the overlay has in other folders.

    Raises:
        ConfigurationError: a file is unreadable; an overlay has a file that replaces none of ours, or
            asks for a parameter that the file it replaces does not take.
    """
    queries = {path.stem: parse_query_file(path) for path in sorted((SQL_ROOT / folder).glob("*.sql"))}
    if overlay is None:
        return queries
    replaceable = queries | optional_queries(folder)
    for path in sorted((overlay / folder).glob("*.sql")):
        ours = replaceable.get(path.stem)
        if ours is None:
            known = ", ".join(sorted(replaceable))
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


def refuse_misplaced(overlay: Path) -> None:
    """Refuse an overlay with an SQL file that nothing reads, or with a folder that cannot be read.

    Hidden folders may have any files: mounted volumes, Git and editors keep copies there.

    Raises:
        ConfigurationError: there is such a file or folder.
    """
    folders = {overlay / name for name in DatabaseName}
    # Links are followed at the top only: deeper ones may lead back.
    for top in (overlay, *sorted(_entries(overlay))):
        if not os.path.isdir(top):  # noqa: PTH112 - Path.is_dir raises in a folder that cannot be searched
            if top in folders:
                raise ConfigurationError(f"{top}: cannot be read as a folder")
            continue
        if top in folders:
            # Unlike the walk, this raises if the folder cannot be read.
            _entries(top)
        for path in _sql_files(top, below=top != overlay):
            if path.parent not in folders or path.suffix != ".sql":
                raise ConfigurationError(
                    f"{path}: is not read; SQL files belong directly into {', '.join(DatabaseName)} under "
                    f"{overlay}, and end in .sql"
                )


def _sql_files(folder: Path, *, below: bool) -> Iterator[Path]:
    """Yield the SQL files of a folder, and of visible folders below it, in the order of their names."""
    for parent, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if below and not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if name.lower().endswith(".sql"))


def _entries(folder: Path) -> list[Path]:
    """Return the visible entries of a folder.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if not entry.name.startswith(".")]
    except OSError as exc:
        raise ConfigurationError(f"{folder}: cannot be read: {exc.strerror}") from exc
