"""Check whether the indexes of sql/indexes/ exist, and say how to create them."""

from collections.abc import Iterator, Mapping, Sequence

from recommender.databases.inspection import Inspection
from recommender.diagnostics.expectations import INDEXES, Index
from recommender.diagnostics.findings import Finding, Level
from recommender.diagnostics.tables import (
    FoundIndex,
    FoundTable,
    TableKind,
    column_of,
    leaves_of,
    look_at_indexes,
    tables_under,
)
from recommender.entities import DatabaseName

_MISSING = "is missing: requests read more than they need"
_OTHER_COLUMNS = "has other columns than expected: requests read more than they need"
_NOT_VALID = "is not valid, so that no statement can use it"


def check_indexes(
    name: DatabaseName, inspection: Inspection, tables: Mapping[str, FoundTable], *, overlaid: bool
) -> Iterator[Finding]:
    """Yield a finding on each index of sql/indexes/ whose table exists.

    Raises:
        InspectionError: PostgreSQL refuses.
    """
    found = look_at_indexes(inspection, list(tables))
    for wanted in INDEXES[name]:
        table = tables.get(wanted.table)
        if table is None:
            if overlaid:
                means = f"does not apply: there is no {wanted.table}"
                yield Finding(Level.OK, name, f"index {wanted.name}", means)
        elif table.kind is TableKind.VIEW:
            yield _on_view(name, inspection, wanted)
        elif table.kind is TableKind.FOREIGN:
            means = f"does not apply: {table.name} is a foreign table; create indexes on its own server"
            yield Finding(Level.OK, name, f"index {wanted.name}", means)
        else:
            listed = [index for index in found if index.table == wanted.table]
            yield _on_table(name, inspection, wanted, table, listed)


def _on_table(
    name: DatabaseName, inspection: Inspection, wanted: Index, table: FoundTable, found: Sequence[FoundIndex]
) -> Finding:
    about = f"index {wanted.name}"
    whole = [index for index in found if index.is_whole]
    serving = next((index for index in whole if index.serves_as(wanted)), None)
    if serving is not None:
        means = "exists" if serving.name == wanted.name else f"{serving.name} does the same"
        return Finding(Level.OK, name, about, means)
    if table.kind is TableKind.PARTITIONED:
        return _on_partitions(name, inspection, wanted, found)
    namesake = next((index for index in whole if index.name == wanted.name), None)
    if namesake is None:
        return Finding(Level.WARNING, name, about, _MISSING, wanted.definition)
    means = _OTHER_COLUMNS if namesake.is_valid else f"{_NOT_VALID}: its build failed or is still running"
    # CREATE INDEX would fail on the existing name.
    to_do = f"DROP INDEX CONCURRENTLY {wanted.name}; {wanted.definition}"
    return Finding(Level.WARNING, name, about, means, to_do)


def _on_partitions(
    name: DatabaseName, inspection: Inspection, wanted: Index, found: Sequence[FoundIndex]
) -> Finding:
    """Return a finding on an index of a partitioned table, which adopts matching ones of its partitions."""
    about = f"index {wanted.name}"
    leaves = leaves_of(inspection, wanted.table)
    missing = sorted(set(leaves) - {index.holder for index in found if index.serves_as(wanted)})
    if leaves and not missing:
        return Finding(Level.OK, name, about, f"is on each of the {len(leaves):,} partitions")
    create = wanted.definition.replace(" CONCURRENTLY", "")
    slow = (
        f"It blocks writes while it is built; if that is too long, first create one on these columns "
        f"CONCURRENTLY on each partition, and it takes them over ({len(missing):,} of {len(leaves):,} "
        "partitions have none)."
    )
    namesake = next((index for index in found if index.is_whole and index.name == wanted.name), None)
    if namesake is None:
        return Finding(Level.WARNING, name, about, _MISSING, f"{create} {slow}")
    means = _OTHER_COLUMNS if namesake.is_valid else f"{_NOT_VALID}: not all partitions have their part of it"
    return Finding(Level.WARNING, name, about, means, f"DROP INDEX {wanted.name}; {create} {slow}")


def _on_view(name: DatabaseName, inspection: Inspection, wanted: Index) -> Finding:
    """Return a finding on an index for a view; renamed columns show only in plans of statements."""
    about = f"index {wanted.name}"
    bases = tables_under(inspection, wanted.table)
    found = look_at_indexes(inspection, [base.name for base in bases])
    serving = next((index for index in found if index.is_whole and index.serves_as(wanted)), None)
    listed = ", ".join(base.name for base in bases) or "what it selects"
    if serving is not None:
        return Finding(Level.OK, name, about, f"{serving.name} is on {serving.table}, under a view")
    columns = _columns(wanted)
    on = next(
        (base for base in bases if set(columns) <= set(base.columns) and base.kind != TableKind.FOREIGN), None
    )
    if on is None:
        means = (
            f"cannot be on a view: {wanted.table} reads {listed}, where an index of the columns behind "
            f"{', '.join(columns)} does the same; the findings on statements show whether one exists"
        )
        return Finding(Level.OK, name, about, means)
    means = f"is missing on {listed}, which the view {wanted.table} reads: requests read more than they need"
    order = f"{', '.join(wanted.keys)}{wanted.including}"
    to_do = f"An index cannot be on a view: create one of the columns {order} on the table {on.name}."
    return Finding(Level.WARNING, name, about, means, to_do)


def _columns(index: Index) -> list[str]:
    """Return the columns of an index without their sort order."""
    return [*map(column_of, index.keys), *index.included]
