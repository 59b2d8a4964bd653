"""The three databases as the target of a load."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from recommender.databases.loading import WritableDatabase
from recommender.entities import DatabaseName
from recommender.errors import LoadError


class LoadTarget:
    """Three read-write connections, open inside a `with` block.

    Raises:
        LoadError: from every method, if PostgreSQL rejects a statement.
    """

    def __init__(self, urls: Mapping[DatabaseName, str]) -> None:
        self.user_db, self.catalog_db, self.engagement_db = (
            WritableDatabase(name, urls[name]) for name in DatabaseName
        )

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for database in self._databases:
                stack.enter_context(database)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def create_tables(self) -> None:
        """Create the tables that are missing."""
        for database in self._databases:
            database.create_tables()

    def filled(self) -> list[str]:
        """Return the databases that hold data; their tables must exist."""
        return [database.name for database in self._databases if database.fetch_row("fetch_is_filled")[0]]

    @contextmanager
    def replacing(self, *, replace: bool) -> Iterator[None]:
        """Open a transaction with empty tables; at its end the data becomes visible and indexes are created.

        Raises:
            LoadError: the databases hold data and `replace` is false; they stay unchanged.
        """
        with ExitStack() as stack:
            for database in self._databases:
                stack.enter_context(database.transaction())
                database.create_tables()
                database.execute("lock_tables")
            held = [] if replace else self.filled()
            if held:
                raise LoadError(
                    f"{', '.join(held)}: there is data already. To delete it and load the new data, repeat "
                    "the command with --replace"
                )
            for database in self._databases:
                database.execute("truncate_tables")
            yield
        for database in self._databases:
            database.create_indexes()

    @property
    def _databases(self) -> tuple[WritableDatabase, WritableDatabase, WritableDatabase]:
        return self.user_db, self.catalog_db, self.engagement_db
