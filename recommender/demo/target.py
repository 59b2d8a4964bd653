"""The three databases as the target of a load."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from recommender.databases.loading import WritableDatabase
from recommender.domain import DatabaseName
from recommender.errors import LoadError


class LoadTarget:
    """Three read-write connections, open inside a `with` block, on databases that have their tables.

    Raises:
        LoadError: from every method, where PostgreSQL refuses.
    """

    def __init__(self, urls: Mapping[DatabaseName, str]) -> None:
        self.user_db, self.catalog_db, self.engagement_db = (
            WritableDatabase(name, urls[name]) for name in DatabaseName
        )

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for database in self._databases:
                stack.enter_context(database)
                database.create_tables()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def refuse_foreign_rows(self, user_ids: Sequence[str], media_ids: Sequence[str]) -> None:
        """Make sure that the databases hold nothing, or nothing but an earlier load of these ids.

        Raises:
            LoadError: they hold something else; how much, and how to replace it.
        """
        ids = {"user_ids": list(user_ids), "media_ids": list(media_ids)}
        counts = {
            database.name: database.fetch_row("count_foreign_rows", **ids)[0] for database in self._databases
        }
        held = [f"{name} ({count:,} rows)" for name, count in counts.items() if count]
        if held:
            raise LoadError(
                f"{', '.join(held)} hold other data than this; to delete it and load this instead, "
                "repeat the command with --replace"
            )

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Load inside this: what was there goes when what comes is complete, and then gets its indexes."""
        with ExitStack() as stack:
            for database in self._databases:
                stack.enter_context(database.transaction())
                database.execute("truncate_tables")
            yield
        for database in self._databases:
            database.create_indexes()

    @property
    def _databases(self) -> tuple[WritableDatabase, WritableDatabase, WritableDatabase]:
        return self.user_db, self.catalog_db, self.engagement_db
