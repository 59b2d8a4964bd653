"""Existing tables, views and indexes; partitions are combined."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from recommender.databases.inspection import Inspection
from recommender.diagnostics.expectations import Index
from recommender.errors import InspectionError

_ORDER = (" DESC NULLS LAST", " DESC", " NULLS FIRST")


class TableKind(StrEnum):
    """The kind of a table, as in pg_class.relkind."""

    TABLE = "r"
    PARTITIONED = "p"
    VIEW = "v"
    MATERIALIZED_VIEW = "m"
    FOREIGN = "f"


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table or view; `row_estimate` is None if unknown."""

    name: str
    row_estimate: int | None
    is_sampleable: bool
    kind: TableKind
    write_rights: list[str]
    is_owned: bool
    sql_name: str
    root_name: str

    @property
    def rows(self) -> str:
        """The size in words."""
        return "of unknown size" if self.row_estimate is None else f"about {self.row_estimate:,} rows"


class FoundIndex(NamedTuple):
    """An index of a table or of one of its partitions, the `holder`."""

    table: str
    holder: str
    is_whole: bool
    name: str
    keys: list[str]
    included: list[str]
    is_partial: bool
    is_valid: bool

    def serves_as(self, wanted: Index) -> bool:
        """Whether it serves the planner at least as well as the wanted index: further keys do no harm."""
        first, further = self.keys[: len(wanted.keys)], self.keys[len(wanted.keys) :]
        return (
            self.is_valid
            and not self.is_partial
            and tuple(first) == wanted.keys
            and {*map(column_of, further), *self.included} >= set(wanted.included)
        )


def column_of(key: str) -> str:
    """Return the column of an index key, without its sort order."""
    for suffix in _ORDER:
        key = key.removesuffix(suffix)
    return key


class ViewTable(NamedTuple):
    """A table that a view reads."""

    view: str
    name: str
    kind: str
    columns: list[str]


def look_at_tables(inspection: Inspection, names: Sequence[str]) -> dict[str, FoundTable]:
    """Return the existing ones of some tables, by name. For views, the row count is the planner's estimate.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    found = {}
    for name, rows, is_sampleable, kind, *others in inspection.fetch("fetch_tables", table_names=list(names)):
        table = FoundTable(name, rows, is_sampleable, TableKind(kind), *others)
        found[name] = table if rows is not None else _planned(inspection, table)
    return found


def look_at_indexes(inspection: Inspection, names: Sequence[str]) -> list[FoundIndex]:
    """Return the indexes of some tables and of their partitions.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    return [FoundIndex(*row) for row in inspection.fetch("fetch_indexes", table_names=list(names))]


def leaves_of(inspection: Inspection, name: str) -> list[str]:
    """Return the partitions that hold the rows of a partitioned table.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    return [leaf for _, leaf in inspection.fetch("fetch_leaves", table_names=[name])]


def tables_under(inspection: Inspection, view: str) -> list[ViewTable]:
    """Return the tables that a view reads.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    return [ViewTable(*row) for row in inspection.fetch("fetch_view_tables", table_names=[view])]


def _planned(inspection: Inspection, table: FoundTable) -> FoundTable:
    try:
        return replace(table, row_estimate=inspection.estimate_rows(table.sql_name))
    except InspectionError:
        # Not readable, or a broken view: other findings report that.
        return table
