"""What the databases must have, read from the SQL files: it is written down nowhere else."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from recommender.databases.queries import SQL_ROOT, Query
from recommender.entities import DatabaseName

_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+) \((.*?)\n\);", re.DOTALL)
_COLUMN = re.compile(r"^ +(\w+) (double precision|\w+)(?:\(\d+\))?", re.MULTILINE)
_INDEX = re.compile(
    r"CREATE INDEX IF NOT EXISTS (?P<name>\w+)\s+ON (?P<table>\w+) \((?P<keys>[^)]*)\)"
    r"(?:\s+INCLUDE \((?P<included>[^)]*)\))?(?P<predicate>\s+WHERE [^;]+)?;"
)
_RETURNED = re.compile(r"\b\w+ ((?:text|int|bigint|float8|bytea|boolean)(?:\[\])?)(?=[\s,;]|$)")
_COMMENT = re.compile(r"--.*")

# Statements that no request and no refresh runs, and when they do run.
OCCASIONAL = {
    "fetch_example_user": "`make run` greets without a user to try",
    "stream_positive_histories": "`train` fails",
    "stream_interactions": "`evaluate`, `tune` and the trainer fail",
    "stream_exposures": "`experiments report` fails",
    "estimate_interactions": "the trainer does not see that interactions have come",
    "take_training_turn": "the trainer fails",
    "stream_later_positives": "`evaluate --as-of` fails",
    "stream_users": "`batch --all-users` fails",
    "search_users": "the explorer finds nobody",
    "fetch_random_user": "the explorer has no surprises",
    "fetch_recent_interactions": "the explorer shows no histories",
}
_BACKGROUND = re.compile("fetch_catalogue|fetch_existing_keys|fetch_example_user|count_|estimate_|stream_")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of sql/schema/, and the statements that name it."""

    table: str
    name: str
    type: str
    needed_by: tuple[str, ...]

    @property
    def is_essential(self) -> bool:
        """Whether a request or a refresh needs it."""
        return any(name not in OCCASIONAL for name in self.needed_by)


@dataclass(frozen=True, slots=True)
class Index:
    """An index of sql/indexes/; columns as `fetch_indexes` gives them."""

    name: str
    table: str
    keys: tuple[str, ...]
    included: tuple[str, ...]
    is_partial: bool
    definition: str


def needed_columns(database: DatabaseName, queries: Iterable[Query]) -> list[Column]:
    """The columns of sql/schema/ that any of the statements names, together with their table."""
    words = {query.name: set(re.findall(r"\w+", query.statement.decode())) for query in queries}
    schema = _sql("schema", database)
    columns = [
        Column(
            table=table,
            name=name,
            type=type_name,
            needed_by=tuple(query for query, named in words.items() if {table, name} <= named),
        )
        for table, body in _TABLE.findall(schema)
        for name, type_name in _COLUMN.findall(body)
    ]
    return [column for column in columns if column.needed_by]


def needed_indexes(database: DatabaseName) -> list[Index]:
    """The indexes of sql/indexes/."""
    return [
        Index(
            name=found["name"],
            table=found["table"],
            keys=_listed(found["keys"]),
            included=_listed(found["included"] or ""),
            is_partial=found["predicate"] is not None,
            definition=" ".join(found[0].split()).replace("INDEX IF NOT EXISTS", "INDEX CONCURRENTLY"),
        )
        for found in _INDEX.finditer(_sql("indexes", database))
    ]


def returned_types(query: Query) -> list[str]:
    """The types of the columns that a query of ours returns, in order, as its header declares them."""
    return _RETURNED.findall(query.header.partition("Returns:")[2].partition("Index:")[0])


def is_background(query_name: str) -> bool:
    """Whether no request waits for it, so that it may well read a table from end to end."""
    return _BACKGROUND.match(query_name) is not None


def _sql(folder: str, database: DatabaseName) -> str:
    return _COMMENT.sub("", (SQL_ROOT / folder / f"{database}.sql").read_text())


def _listed(columns: str) -> tuple[str, ...]:
    return tuple(column.strip() for column in columns.split(",") if column.strip())
