"""Write published models to the optional recommendation_db, for other services to query."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg

from config.setting_types import PROGRAM
from recommender.databases.loading import WritableDatabase
from recommender.errors import LoadError

NAME = "recommendation_db"

# A session may have left a transaction open. 0001_create_tables.rollback.sql has the same limit.
LOCK_TIMEOUT = "10s"
# A pooler or a server may accept a session, and then hang. Must exceed LOCK_TIMEOUT: a server that waits
# for a lock sends nothing either.
_ANSWER_S = 30.0
# How long statements on the embeddings of millions of users may take.
_MANY_ROWS_S = 600.0


def writable(url: str) -> WritableDatabase:
    """Return a connection, to be opened, that ends if the server hangs."""
    return WritableDatabase(NAME, url, longest_wait_s=_ANSWER_S)


class RecommendationDatabase:
    """Write to recommendation_db; each call makes and closes its own connection.

    Raises:
        LoadError: from every method, where PostgreSQL refuses or does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def record(
        self,
        artifact: Mapping[str, object],
        embeddings: Iterable[tuple[str, Sequence[float]]],
        kept_versions: Sequence[str],
        *,
        is_current: bool,
    ) -> None:
        """Record a version, and delete removed ones, in one transaction.

        Args:
            artifact: the parameters of `insert_artifact`.
            embeddings: of users, by id; empty for a model without embeddings.
            kept_versions: all versions of the model that remain.
            is_current: it is the current one of its model; otherwise the one so far remains current.
        """
        model, version = artifact["model"], artifact["version"]
        # A version that is stored already is deleted first, too.
        others = [kept for kept in kept_versions if kept != version]
        with self._transaction() as database:
            _note(database, artifact, others, is_current=is_current)
            rows = ((model, version, user_id, embedding) for user_id, embedding in embeddings)
            database.copy("copy_user_features", rows)

    def update_current(self, artifact: Mapping[str, object], kept_versions: Sequence[str]) -> None:
        """Make an earlier version the current one of its model, with the embeddings it has.

        Args:
            artifact: the parameters of `insert_artifact`; a missing version is inserted.
            kept_versions: all versions of the model that remain.
        """
        with self._transaction() as database:
            _note(database, artifact, kept_versions, is_current=True)

    def keep_versions(
        self,
        kept_versions: Mapping[str, Sequence[str]],
        current: Iterable[Mapping[str, object]] = (),
    ) -> None:
        """Delete versions, and make others the current ones, in one transaction.

        Args:
            kept_versions: all versions that remain, by model; other models stay as they are.
            current: the parameters of `insert_artifact` of versions that are the current ones of models.
                Missing ones are inserted.
        """
        with self._transaction() as database:
            for model, versions in kept_versions.items():
                database.execute("delete_versions", model=model, kept_versions=list(versions))
            for artifact in current:
                _insert(database, artifact, is_current=True)

    def delete_users(self, user_ids: Sequence[str]) -> None:
        """Delete all stored data of users."""
        with self._transaction() as database:
            database.execute("delete_users", user_ids=list(user_ids))

    @contextmanager
    def _transaction(self) -> Iterator[WritableDatabase]:
        try:
            with writable(self._url) as database, database.transaction(lock_timeout=LOCK_TIMEOUT):
                # Now it is known to answer.
                database.set_longest_wait(_MANY_ROWS_S)
                yield database
        except LoadError as exc:
            if isinstance(exc.__cause__, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
                raise LoadError(
                    f"{NAME}: its tables are missing or of another version: run `{PROGRAM} migrate up`"
                ) from exc
            raise


def _note(
    database: WritableDatabase,
    artifact: Mapping[str, object],
    kept_versions: Sequence[str],
    *,
    is_current: bool,
) -> None:
    database.execute("delete_versions", model=artifact["model"], kept_versions=list(kept_versions))
    _insert(database, artifact, is_current=is_current)


def _insert(database: WritableDatabase, artifact: Mapping[str, object], *, is_current: bool) -> None:
    database.execute("insert_artifact", **artifact)
    if is_current:
        database.execute("update_current", model=artifact["model"], version=artifact["version"])
