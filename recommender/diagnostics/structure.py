"""Checks of tables, columns and privileges against `expectations`."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from recommender.databases.inspection import Inspection
from recommender.databases.queries import Query
from recommender.diagnostics.expectations import Column, needed_columns
from recommender.diagnostics.findings import CONNECTING, CONTRACT, Finding, Level
from recommender.diagnostics.indexes import check_indexes
from recommender.diagnostics.tables import FoundTable, look_at_tables
from recommender.entities import DatabaseName

# Types that statements treat alike.
_ALIKE = (
    {"smallint", "integer", "bigint", "real", "double precision", "numeric"},
    {"timestamp without time zone", "timestamp with time zone", "date"},
)
# Categories in pg_type of what statements cast to text: all but arrays, composite types and ranges.
_CAST_TO_TEXT = set("SENDBU")
_WANTED_STRINGS = ("character varying", "text")


class RoleName(NamedTuple):
    """The name of a role for people, and as SQL writes it, quoted where that is necessary."""

    shown: str
    sql: str


class _FoundColumn(NamedTuple):
    table: str
    name: str
    category: str | None
    wanted_type: str
    type: str | None
    is_readable: bool

    @property
    def is_as_wanted(self) -> bool:
        if self.wanted_type in _WANTED_STRINGS:
            return self.category in _CAST_TO_TEXT
        return self.type == self.wanted_type or any({self.type, self.wanted_type} <= kind for kind in _ALIKE)


def check_structure(
    name: DatabaseName, inspection: Inspection, queries: Iterable[Query], role: RoleName, *, overlaid: bool
) -> Iterator[Finding]:
    """Yield findings on tables, columns, privileges and indexes.

    If SQL files are `overlaid`, tables and columns may be missing; the existing ones are checked for
    privileges and indexes.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    columns = needed_columns(name, queries)
    found = _look_for(columns, inspection)
    table_names = sorted({column.table for column in columns})
    tables = look_at_tables(inspection, table_names)
    if overlaid:
        means = (
            "SQL_PATH replaces statements: the tables are the app's own, and only its statements are checked"
        )
        yield Finding(Level.OK, name, "tables", means)
    else:
        yield from _check_tables(name, columns, found, tables)
    yield from _check_rights(name, found, tables, role)
    yield from _check_row_security(name, inspection, tables, role)
    yield from check_indexes(name, inspection, tables, overlaid=overlaid)


def _look_for(columns: Sequence[Column], inspection: Inspection) -> list[_FoundColumn]:
    """Return the existing columns, in the given order."""
    rows = inspection.fetch(
        "fetch_columns",
        table_names=[column.table for column in columns],
        column_names=[column.name for column in columns],
        type_names=[column.type for column in columns],
    )
    found = {(row[0], row[1]): _FoundColumn(*row) for row in rows}
    return [found[column.table, column.name] for column in columns]


def _check_tables(
    name: DatabaseName,
    columns: Sequence[Column],
    found: Sequence[_FoundColumn],
    tables: dict[str, FoundTable],
) -> Iterator[Finding]:
    needed = {(column.table, column.name): column for column in columns}
    for table_name, group in groupby(found, key=lambda column: column.table):
        if table_name not in tables:
            means = "does not exist, or not in a schema that the role may use and has in its search_path"
            to_do = (
                f"Check that {name.upper()}_URL names the right database, or put SQL for your own tables "
                f"under SQL_PATH/{name}/ ({CONTRACT})."
            )
            yield Finding(Level.ERROR, name, f"table {table_name}", means, to_do)
            continue
        listed = list(group)
        faults = [column for column in listed if not column.is_as_wanted]
        for column in faults:
            yield _column_fault(name, needed[column.table, column.name], column)
        if not faults:
            types = ", ".join(f"{column.name} {column.type}" for column in listed)
            yield Finding(Level.OK, name, f"table {table_name}", f"{tables[table_name].rows}; {types}")


def _column_fault(name: DatabaseName, needed: Column, found: _FoundColumn) -> Finding:
    statements = ", ".join(needed.needed_by)
    level = Level.WARNING if needed.consequence else Level.ERROR
    means = (
        f"does not exist; needed by {statements}"
        if found.type is None
        else f"is {found.type}, but needed as {found.wanted_type} by {statements}"
    )
    if needed.consequence:
        means += f": {needed.consequence}"
    to_do = f"Put your version of these files under SQL_PATH/{name}/ ({CONTRACT})."
    return Finding(level, name, f"column {needed.table}.{needed.name}", means, to_do)


def _check_rights(
    name: DatabaseName, found: Sequence[_FoundColumn], tables: dict[str, FoundTable], role: RoleName
) -> Iterator[Finding]:
    for table in tables.values():
        about = f"rights on {table.name}"
        columns = [column for column in found if column.table == table.name and column.type is not None]
        unreadable = [column.name for column in columns if not column.is_readable]
        if unreadable:
            what = "it" if len(unreadable) == len(columns) else ", ".join(unreadable)
            to_do = f"GRANT SELECT ON {table.sql_name} TO {role.sql};"
            yield Finding(Level.ERROR, name, about, f"{role.shown} may not read {what}", to_do)
        if table.write_rights:
            rights = ", ".join(table.write_rights)
            revoke = f"REVOKE {rights} ON {table.sql_name} FROM {role.sql};"
            to_do = (
                f"Connect as a role that may only read ({CONNECTING})."
                if table.is_owned
                else f"{revoke} Or from PUBLIC, or from a role that it is a member of."
            )
            means = f"{role.shown} may {rights}, which the service never does"
            yield Finding(Level.WARNING, name, about, means, to_do)
        elif not unreadable:
            yield Finding(Level.OK, name, about, f"{role.shown} may read but not write")


def _check_row_security(
    name: DatabaseName, inspection: Inspection, tables: dict[str, FoundTable], role: RoleName
) -> Iterator[Finding]:
    for (table_name,) in inspection.fetch("fetch_filtered_tables", table_names=list(tables)):
        means = f"row level security may hide some from {role.shown}: answers are made without them"
        policy = f"CREATE POLICY marquee_reads ON {tables[table_name].sql_name} FOR SELECT TO {role.sql}"
        to_do = f"{policy} USING (true); or ALTER ROLE {role.sql} BYPASSRLS;"
        yield Finding(Level.WARNING, name, f"rows of {table_name}", means, to_do)
