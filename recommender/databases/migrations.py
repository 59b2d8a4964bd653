"""Migrate recommendation_db forward and back with yoyo; imported by `migrate` only."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict
from yoyo import get_backend, read_migrations
from yoyo.exceptions import LockTimeout

from recommender.databases.connections import connect_timeout_to_write_s
from recommender.databases.queries import SQL_ROOT
from recommender.databases.recommendation_db import LOCK_TIMEOUT, NAME, writable
from recommender.errors import LoadError

FOLDER = SQL_ROOT / NAME / "migrations"


def migrate_up(url: str) -> list[str]:
    """Apply all missing migrations.

    Returns:
        The migrations that were applied, in order.

    Raises:
        LoadError: PostgreSQL refuses or does not answer, or another process is migrating.
    """
    with _backend(url) as backend, backend.lock():
        wanted = backend.to_apply(read_migrations(str(FOLDER)))
        names = [migration.id for migration in wanted]
        backend.apply_migrations(wanted)
    return names


def migrate_down(url: str) -> list[str]:
    """Roll all migrations back, which deletes all stored data.

    Returns:
        The migrations that were rolled back, in order.

    Raises:
        LoadError: as `migrate_up`, or a newer release has applied migrations.
    """
    with _backend(url) as backend, backend.lock():
        known = read_migrations(str(FOLDER))
        wanted = backend.to_rollback(known)
        _refuse_unknown(url, {migration.id for migration in known})
        names = [migration.id for migration in wanted]
        backend.rollback_migrations(wanted)
    with writable(url) as database, database.transaction(lock_timeout=LOCK_TIMEOUT):
        database.execute("drop_migration_tables")
    return names


def _refuse_hopeless(url: str) -> None:
    """Refuse a database without rights: yoyo would report existing tables or a lock instead."""
    with writable(url) as database:
        schema, may_create, is_read_only = database.fetch_row("fetch_migration_rights")
    if schema is None:
        raise LoadError(f"{NAME}: none of the schemas in the search path exists.")
    if is_read_only:
        raise LoadError(f"{NAME}: the session is read-only, by the role, the URL or the server.")
    if not may_create:
        raise LoadError(f"{NAME}: the role may not create tables in the schema {schema}.")


def _refuse_unknown(url: str, known: Collection[str]) -> None:
    """Refuse a database with migrations that are not known here: only their release can roll them back.

    Raises:
        LoadError: it has some.
    """
    with writable(url) as database:
        (applied,) = database.fetch_row("fetch_applied_migrations")
    unknown = [each for each in applied if each not in known]
    if unknown:
        raise LoadError(
            f"{NAME}: a newer release has applied {', '.join(unknown)}: run `migrate down` with that release."
        )


@contextmanager
def _backend(url: str) -> Iterator[Any]:
    _refuse_hopeless(url)
    try:
        # yoyo's URL parser does not accept a socket folder as the host.
        arguments = urlencode(conninfo_to_dict(url, connect_timeout=connect_timeout_to_write_s(url)))
        with get_backend(f"postgresql+psycopg:///?{arguments}") as backend:
            yield backend
    except LockTimeout as exc:
        # yoyo's message without the command it suggests, which does not accept a socket folder.
        text, is_known, _ = str(exc).partition(" has locked")
        process = text.lower() if is_known else "another process"
        remedy = "If it was killed, remove its lock by `DELETE FROM yoyo_lock`."
        raise LoadError(f"{NAME}: {process} is migrating it. {remedy}") from exc
    except psycopg.Error as exc:
        raise LoadError(f"{NAME}: {str(exc).strip()}") from exc
