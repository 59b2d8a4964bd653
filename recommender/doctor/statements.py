"""The statements: does PostgreSQL accept them, and what would it do?"""

from collections import Counter
from collections.abc import Iterator, Mapping

from recommender.databases.inspection import Examination, Inspection
from recommender.databases.queries import Query
from recommender.doctor.expectations import OCCASIONAL, is_background, returned_types
from recommender.doctor.findings import CONTRACT, Finding, Level, some
from recommender.doctor.tables import look_at_tables
from recommender.domain import DatabaseName
from recommender.errors import InspectionError

# A table of so many rows is read in a millisecond, index or not.
_SMALL_TABLE_ROWS = 10_000
# What the service takes for the same, by the names in pg_type.
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
    name: DatabaseName, inspection: Inspection, ours: Mapping[str, Query], queries: Mapping[str, Query]
) -> Iterator[Finding]:
    """A finding, or some, on each statement; `queries` are `ours` with overlays in their place.

    Raises:
        InspectionError: PostgreSQL refuses something other than the statements.
    """
    for query in queries.values():
        overlaid = query.path != ours[query.name].path
        about = f"statement {query.name}"
        to_do = (
            f"Mend {query.path} ({CONTRACT})."
            if overlaid
            else f"Give it what it needs, or put your version under SQL_PATH/{name}/ ({CONTRACT})."
        )
        level, consequence = Level.ERROR, ""
        if query.name in OCCASIONAL:
            level, consequence = Level.WARNING, f" ({OCCASIONAL[query.name]})"
        try:
            examination = inspection.examine(query)
        except InspectionError as exc:
            yield Finding(level, name, about, f"does not prepare{consequence}: {exc}", to_do)
            continue
        fault = _fault(examination, returned_types(ours[query.name]))
        if fault:
            yield Finding(level, name, about, f"{fault}{consequence}", to_do)
            continue
        large = [] if is_background(query.name) else _large_tables(inspection, examination)
        if large:
            means = f"reads {some(large)} from end to end with each request"
            to_do = (
                f"Create the indexes of sql/indexes/{name}.sql, or those your own SQL needs, on these tables "
                "(whatever views are between), and ANALYZE."
            )
            yield Finding(Level.WARNING, name, about, means, to_do)
        else:
            origin = f"prepares, from {query.path}" if overlaid else "prepares"
            yield Finding(Level.OK, name, about, f"{origin}; {_scanned(examination)}")


def _fault(examination: Examination, wanted: list[str]) -> str | None:
    if examination.writes:
        return "writes, and the service's connections are read-only"
    found = examination.column_types
    if len(found) != len(wanted):
        return f"returns {len(found)} columns, where the service takes {len(wanted)}"
    wrong = [
        f"column {place} as {got}, where the service takes {want}"
        for place, (got, want) in enumerate(zip(found, wanted, strict=True), start=1)
        if _alike(got) != _alike(want)
    ]
    return f"returns {'; '.join(wrong)}" if wrong else None


def _alike(type_name: str) -> str:
    element = type_name.removesuffix("[]")
    return _ALIKE.get(element, element) + type_name[len(element) :]


def _large_tables(inspection: Inspection, examination: Examination) -> list[str]:
    """The large ones of the tables read whole; partitions count together with the others of their table."""
    rows: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    for table in look_at_tables(inspection, examination.tables_read_whole).values():
        rows[table.root_name] += table.row_estimate or 0
        parts[table.root_name] += table.root_name != table.sql_name
    return [
        f"{name} ({rows[name]:,} rows{f' in {parts[name]:,} partitions' if parts[name] else ''})"
        for name in sorted(rows)
        if rows[name] > _SMALL_TABLE_ROWS
    ]


def _scanned(examination: Examination) -> str:
    whole = [f"{table} from end to end" for table in examination.tables_read_whole]
    return f"reads {some([*whole, *examination.indexes])}"
