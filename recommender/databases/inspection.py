"""Inspect a database: its tables, and the plan of a statement without running it."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.pq import TransactionStatus

from config.database_settings import DatabaseSettings
from recommender.databases.connections import (
    Connector,
    Purpose,
    Row,
    SettingDifference,
    set_for_transaction,
    sole_timeout,
    statement_patience_s,
)
from recommender.databases.queries import Query, load_queries
from recommender.databases.texts import statement_for
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError, InspectionError

_ROUND_TRIPS = 5
_STREAM_ROWS = 1000
# Nodes of plans that PostgreSQL refuses to run in a read-only session; FOR UPDATE and the like lock rows.
_WRITES = {"ModifyTable", "LockRows"}
# A rebuild of a table holds its lock for longer than an inspection should wait.
_LOCK_TIMEOUT = "2s"
_NO_SETTINGS: Mapping[str, str] = {}
_PLAIN = re.compile("[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Examination:
    """The columns that a statement would return, and the tables that its generic plan scans.

    `column_names`, `column_types`: parallel; types as in pg_type, with `[]` for arrays, `?` for a type that
    is not built in. `tables_read_whole`: sequentially scanned tables, quoted and with their schemas.
    `writes`: whether it writes or locks rows, apart from what functions do.
    """

    column_names: tuple[str, ...]
    column_types: tuple[str, ...]
    tables_read_whole: tuple[str, ...]
    indexes: tuple[str, ...]
    writes: bool


class Inspection:
    """One read-only connection to a database with the service's settings, open inside a `with` block.

    Raises:
        SettingsError: no databases are configured.
        ConfigurationError: the URL cannot be read.
        InspectionError: from every method, where PostgreSQL refuses.
        DatabaseUnavailableError: from every method, when the server stops answering; closes the connection.
    """

    def __init__(self, name: DatabaseName, settings: DatabaseSettings) -> None:
        # Each statement runs once.
        settings = settings.for_whole_reads(1).model_copy(update={"prepared_statements": False})
        self._name = name
        self._timeout_ms = settings.statement_timeout_ms
        self._patience_s = statement_patience_s(settings)
        self._connector = Connector(name, settings, Purpose.COMMANDS)
        self._queries = load_queries("diagnostics/server") | load_queries(f"diagnostics/{name}")

    def __enter__(self) -> Self:
        try:
            self._connection = self._connector.connect()
        except psycopg.Error as exc:
            raise InspectionError(_one_line(str(exc))) from exc
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def fetch(self, query_name: str, **parameters: object) -> list[Row]:
        """Run one of the statements of sql/diagnostics/ and return its rows."""
        with self._transaction(), self._connection.cursor(binary=True) as cursor:
            return cursor.execute(self._queries[query_name].statement, parameters).fetchall()

    def column(
        self, query: Query, column_idx: int, parameters: Mapping[str, object], row_limit: int
    ) -> list[Any]:
        """Run one of the service's statements and return a column of its first rows."""
        with self._streamed(query, parameters) as cursor:
            return [row[column_idx] for row in cursor.fetchmany(row_limit)]

    def widths(self, query: Query, column_idx: int, parameters: Mapping[str, object]) -> set[int | None]:
        """Run one of the service's statements and return the different lengths of a column, None for NULL."""
        with self._streamed(query, parameters) as cursor:
            return {None if row[column_idx] is None else len(row[column_idx]) for row in cursor}

    @contextmanager
    def _streamed(
        self, query: Query, parameters: Mapping[str, object]
    ) -> Iterator[psycopg.ServerCursor[Row]]:
        with self._transaction(), self._connection.cursor("inspected", binary=True) as cursor:
            cursor.itersize = _STREAM_ROWS
            cursor.execute(statement_for(self._connection, query.statement), parameters)
            yield cursor

    def settings_missed(self) -> list[SettingDifference]:
        """Return the session settings that do not have the wanted value."""
        with self._transaction(keep_timeouts=True):
            return self._connector.differences(self._connection)

    def measure_round_trip_ms(self) -> float:
        """Return the shortest of a few round trips, in milliseconds."""
        statement = self._queries["fetch_round_trip"].statement
        taken = []
        with self._transaction():
            for _ in range(_ROUND_TRIPS):
                started = time.perf_counter()
                self._connection.execute(statement)
                taken.append(time.perf_counter() - started)
        return min(taken) * 1000

    def estimate_rows(self, sql_name: str) -> int:
        """Return how many rows the planner expects of a table or view, given by its quoted name."""
        with self._transaction():
            cursor = self._connection.execute(f"EXPLAIN (FORMAT JSON) TABLE {sql_name}".encode())
            row = cursor.fetchone()
        return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0

    def examine(self, query: Query) -> Examination:
        """Prepare a statement and read its generic plan.

        EXPLAIN (GENERIC_PLAN) shows the same, but only from PostgreSQL 16 on. Permissions are checked, too.
        """
        # With the NULLs below, pruning would drop all partitions from the plan.
        generic_and_whole = {"plan_cache_mode": "force_generic_plan", "enable_partition_pruning": "off"}
        with self._transaction(generic_and_whole):
            names, types = self._columns(query)
            numbered = statement_for(self._connection, query.numbered)
            self._connection.execute(b"PREPARE examined AS " + numbered)
            nulls = ", ".join(["NULL"] * len(query.parameters))
            execute = f"EXECUTE examined{f'({nulls})' if nulls else ''}"
            try:
                # A savepoint: the transaction goes on if EXPLAIN fails.
                with self._connection.transaction(), self._refusals():
                    cursor = self._connection.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {execute}".encode())
                    row = cursor.fetchone()
            finally:
                self._connection.execute("DEALLOCATE examined")
        nodes = list(_nodes(row[0][0]["Plan"])) if row else []
        return Examination(
            column_names=names,
            column_types=types,
            tables_read_whole=tuple(sorted({_table(n) for n in nodes if n["Node Type"] == "Seq Scan"})),
            indexes=tuple(sorted({node["Index Name"] for node in nodes if "Index Name" in node})),
            writes=any(node["Node Type"] in _WRITES for node in nodes),
        )

    def _columns(self, query: Query) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names and types of a statement's columns."""
        server = self._connection.pgconn
        # Unnamed: PgBouncer renames statements that are prepared by protocol.
        prepared = server.prepare(b"", statement_for(self._connection, query.numbered))
        if prepared.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise InspectionError(_one_line(prepared.get_error_message()))
        described = server.describe_prepared(b"")
        places = range(described.nfields)
        names = tuple((described.fname(place) or b"").decode("utf-8", "replace") for place in places)
        return names, tuple(self._type_name(described.ftype(place)) for place in places)

    def _type_name(self, oid: int) -> str:
        known = self._connection.adapters.types.get(oid)
        if known is None:
            return "?"
        return f"{known.name}[]" if oid == known.array_oid else known.name

    @contextmanager
    def _transaction(
        self, settings: Mapping[str, str] = _NO_SETTINGS, *, keep_timeouts: bool = False
    ) -> Iterator[None]:
        """Run in one transaction, which a pooler sends to one session, with lock and statement timeouts.

        `keep_timeouts`: leave those of the session, instead of those for reads of whole tables.
        """
        self._connection.deadline = Deadline.after(self._patience_s)
        with self._refusals(), self._connection.transaction(), self._refusals():
            timeout = {} if keep_timeouts else sole_timeout(self._connection, self._timeout_ms)
            set_for_transaction(self._connection, {"lock_timeout": _LOCK_TIMEOUT, **timeout, **settings})
            yield

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as exc:
            if (
                self._connection.closed
                or self._connection.info.transaction_status is TransactionStatus.ACTIVE
            ):
                # The answer is still outstanding, so that not even a rollback can be sent.
                self._connection.close()
                raise DatabaseUnavailableError(self._name, _one_line(str(exc))) from exc
            raise InspectionError(_one_line(str(exc))) from exc


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _table(node: dict[str, Any]) -> str:
    return ".".join(_quoted(node[key]) for key in ("Schema", "Relation Name"))


def _quoted(identifier: str) -> str:
    if _PLAIN.fullmatch(identifier):
        return identifier
    return '"' + identifier.replace('"', '""') + '"'


def _one_line(message: str) -> str:
    """Return the message without the lines that point into the statement."""
    lines = [line.strip() for line in message.strip().splitlines()]
    place = next(
        (n for n, line in enumerate(lines) if line.startswith(("LINE ", "QUERY:", "CONTEXT:"))), None
    )
    return " ".join(lines[:place]).removeprefix("ERROR:").strip()
