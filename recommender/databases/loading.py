"""Write to the databases, for the demo and for imports. The service itself only reads."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from recommender.databases.connections import Row, connect_to_write, set_for_transaction, sole_timeout
from recommender.databases.queries import SQL_ROOT, load_queries
from recommender.entities import DatabaseName
from recommender.errors import LoadError

_NO_TIMEOUT = 0


def create_databases(maintenance_url: str) -> None:
    """Create the three databases on a server that has none of them.

    Raises:
        LoadError: PostgreSQL refuses.
    """
    script = (SQL_ROOT / "schema" / "databases.sql").read_text()
    try:
        with connect_to_write(maintenance_url) as connection:
            # One by one: CREATE DATABASE cannot run in a transaction or a script of several statements.
            for statement in script.split(";"):
                connection.execute(statement.encode())
    except psycopg.Error as exc:
        raise LoadError(f"the databases cannot be created: {str(exc).strip()}") from exc


def _setting(name: str) -> str:
    """Return the names of the settings that locate a database."""
    url = f"{name.upper()}_URL"
    return f"DB_HOST or {url}" if name in set(DatabaseName) else url


class WritableDatabase:
    """One read-write connection to a database, open inside a `with` block.

    `longest_wait_s`: after how many seconds in which the server sends and takes nothing the connection ends;
    None for no limit, as indexes of large tables take hours to build.

    Raises:
        LoadError: from every method, where PostgreSQL refuses, or does not answer.
    """

    def __init__(self, name: str, url: str, *, longest_wait_s: float | None = None) -> None:
        self.name = name
        self._url = url
        self._longest_wait_s = longest_wait_s
        self._queries = load_queries(f"loading/{name}")

    def __enter__(self) -> Self:
        try:
            self._connection = connect_to_write(self._url)
        except psycopg.Error as exc:
            raise LoadError(
                f"{self.name}: {str(exc).strip()} "
                f"Check that it runs, and that {_setting(self.name)} has its address and role."
            ) from exc
        self.set_longest_wait(self._longest_wait_s)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def set_longest_wait(self, longest_wait_s: float | None) -> None:
        """Set `longest_wait_s` anew, for what follows."""
        self._connection.longest_wait_s = longest_wait_s

    @contextmanager
    def transaction(self, *, lock_timeout: str | None = None) -> Iterator[None]:
        """Run the block in one transaction, which may take longer than the timeouts of the role allow.

        Args:
            lock_timeout: how long it waits for each lock, such as `10s`; None for what the role allows.
        """
        settings = {} if lock_timeout is None else {"lock_timeout": lock_timeout}
        with self._refusals(), self._connection.transaction():
            timeout = sole_timeout(self._connection, _NO_TIMEOUT)
            set_for_transaction(self._connection, {**timeout, **settings})
            yield

    def create_tables(self) -> None:
        """Create the tables that are missing, without indexes (rows load faster that way)."""
        self._run_script(SQL_ROOT / "schema" / f"{self.name}.sql")

    def create_indexes(self) -> None:
        """Create the indexes that are missing and update the planner's statistics."""
        with self.transaction():
            self._run_script(SQL_ROOT / "indexes" / f"{self.name}.sql")
        self.execute("vacuum_tables")

    def execute(self, query_name: str, **parameters: object) -> None:
        """Run a statement that returns nothing; parameters it does not take are ignored."""
        with self._refusals():
            self._connection.execute(self._queries[query_name].statement, parameters)

    def fetch_row(self, query_name: str, **parameters: object) -> Row:
        """Run a query that returns one row; parameters it does not take are ignored."""
        with self._refusals():
            row = self._connection.execute(self._queries[query_name].statement, parameters).fetchone()
        if row is None:
            raise LoadError(f"{self.name}: {query_name} returned no row")
        return row

    def copy(self, query_name: str, rows: Iterable[Sequence[object]]) -> None:
        """Stream rows into a table."""
        with self._copying(query_name) as copy:
            for row in rows:
                copy.write_row(row)

    def copy_blocks(self, query_name: str, blocks: Iterable[bytes]) -> None:
        """Stream blocks that already have the format of the COPY statement."""
        with self._copying(query_name) as copy:
            for block in blocks:
                copy.write(block)

    @contextmanager
    def _copying(self, query_name: str) -> Iterator[psycopg.Copy]:
        with (
            self._refusals(),
            self._connection.cursor() as cursor,
            cursor.copy(self._queries[query_name].statement) as copy,
        ):
            yield copy

    def _run_script(self, path: Path) -> None:
        with self._refusals():
            self._connection.execute(path.read_bytes())

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as exc:
            raise LoadError(f"{self.name}: {str(exc).strip()}") from exc
