"""Checks of the statements: does PostgreSQL accept them, and what do they read?"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from recommender.databases.inspection import Examination, Inspection
from recommender.databases.queries import Query
from recommender.diagnostics.expectations import STATEMENTS
from recommender.diagnostics.findings import CONTRACT, Finding, Level, some
from recommender.diagnostics.tables import FoundTable, look_at_tables
from recommender.domains.attributes import Attribute
from recommender.domains.base import Domain
from recommender.entities import DatabaseName
from recommender.errors import InspectionError

# A smaller table is read in a millisecond even without an index.
_SMALL_TABLE_ROWS = 10_000
# Types that the service treats alike, by their names in pg_type.
_ALIKE = {
    "varchar": "text",
    "bpchar": "text",
    "name": "text",
    "int2": "int",
    "bool": "boolean",
    "int4": "int",
    "int8": "int",
    "bigint": "int",
}


def check_statements(
    name: DatabaseName,
    inspection: Inspection,
    ours: Mapping[str, Query],
    queries: Mapping[str, Query],
    domain: Domain,
) -> Iterator[Finding]:
    """Yield findings on each statement; `queries` are `ours` with overlays applied.

    `domain` declares what fetch_media and fetch_catalogue return.

    Raises:
        InspectionError: PostgreSQL rejects something other than the statements.
    """
    # Statements read the same few tables.
    tables: dict[str, FoundTable] = {}
    for query in queries.values():
        overlaid = query.path != ours[query.name].path
        about = f"statement {query.name}"
        to_do = (
            f"Correct {query.path} ({CONTRACT})."
            if overlaid
            else f"Add what it needs, or put your version under SQL_PATH/{name}/ ({CONTRACT})."
        )
        expected = STATEMENTS[name][query.name]
        level, consequence = Level.ERROR, ""
        if expected.consequence:
            level, consequence = Level.WARNING, f" ({expected.consequence})"
        try:
            examination = inspection.examine(query)
        except InspectionError as exc:
            yield Finding(level, name, about, f"cannot be prepared{consequence}: {exc}", to_do)
            continue
        declared = [(wanted,) for wanted in expected.returns]
        wanted = domain.returned_types(query.name) if name is DatabaseName.CATALOG else None
        own = domain.own_returned(query.name) if name is DatabaseName.CATALOG else ()
        fault = _fault(examination, wanted or declared, own)
        if fault:
            yield Finding(level, name, about, f"{fault}{consequence}", to_do)
            continue
        large = [] if expected.is_background else _large_tables(inspection, examination, tables)
        if large:
            means = f"reads all of {some(large)} in each request"
            to_do = (
                f"Create the indexes of sql/indexes/{name}.sql, or those your own SQL needs, on these tables "
                "(not on views of them), and run ANALYZE."
            )
            yield Finding(Level.WARNING, name, about, means, to_do)
        else:
            origin = f"prepares, from {query.path}" if overlaid else "prepares"
            yield Finding(Level.OK, name, about, f"{origin}; {_scanned(examination)}")


def _fault(
    examination: Examination, wanted: Sequence[tuple[str, ...]], own: Sequence[Attribute]
) -> str | None:
    if examination.writes:
        return "writes or locks rows, but the service's connections are read-only"
    misplaced = _misplaced(examination.column_names, own)
    if misplaced:
        return misplaced
    found = examination.column_types
    if len(found) != len(wanted):
        return f"returns {len(found)} columns, but the service expects {len(wanted)}"
    wrong = [
        f"column {place} as {got}, but the service expects {' or '.join(dict.fromkeys(map(_alike, types)))}"
        for place, (got, types) in enumerate(zip(found, wanted, strict=True), start=1)
        if _alike(got) not in map(_alike, types)
    ]
    return f"returns {'; '.join(wrong)}" if wrong else None


def _misplaced(names: Sequence[str], own: Sequence[Attribute]) -> str | None:
    """Return what is wrong with the columns of own attributes: they must come last, in declared order."""
    wanted = [attribute.column for attribute in own]
    if not own or list(names[-len(own) :]) == wanted:
        return None
    missing = ", ".join(column for column in wanted if column not in names)
    if missing:
        return f"does not return {missing}, which the file of attributes declares"
    return f"does not end with the columns {', '.join(wanted)}, as the file of attributes declares"


def _alike(type_name: str) -> str:
    element = type_name.removesuffix("[]")
    return _ALIKE.get(element, element) + type_name[len(element) :]


def _large_tables(
    inspection: Inspection, examination: Examination, known: dict[str, FoundTable]
) -> list[str]:
    """Return the large tables that are read whole; the partitions of a table count together.

    `known` gets the tables that are looked at.
    """
    unknown = [name for name in examination.tables_read_whole if name not in known]
    if unknown:
        known |= look_at_tables(inspection, unknown)
    rows: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    for table in (known[name] for name in examination.tables_read_whole if name in known):
        rows[table.root_name] += table.row_estimate or 0
        parts[table.root_name] += table.root_name != table.sql_name
    return [
        f"{name} ({rows[name]:,} rows{f' in {parts[name]:,} partitions' if parts[name] else ''})"
        for name in sorted(rows)
        if rows[name] > _SMALL_TABLE_ROWS
    ]


def _scanned(examination: Examination) -> str:
    whole = [f"all of {table}" for table in examination.tables_read_whole]
    return f"reads {some([*whole, *examination.indexes]) or 'no table'}"
