"""Databases for tests: templates filled once per session, clones for each test, and outages."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql
from pytest_postgresql.janitor import DatabaseJanitor

from recommender.demo.embedded import PostgresServer, server_url
from recommender.entities import DatabaseName

Urls = Mapping[DatabaseName, str]

_clone_numbers = itertools.count(1)

MAX_WAL_MB = 256


def maintenance(server: PostgresServer) -> psycopg.Connection[tuple[object, ...]]:
    """Connect as the owner, to a database that is neither created nor dropped."""
    return psycopg.connect(server_url(server, "postgres"), autocommit=True)


@dataclass(frozen=True)
class Templates:
    """A template database for each of the three, on one server."""

    server: PostgresServer
    label: str

    @contextlib.contextmanager
    def create(self) -> Iterator[Urls]:
        """Create empty template databases, to be filled before the first clone."""
        with contextlib.ExitStack() as stack:
            for name in DatabaseName:
                stack.enter_context(self._janitor(self._template(name)))
            yield {name: server_url(self.server, self._template(name)) for name in DatabaseName}

    @contextlib.contextmanager
    def clone(self) -> Iterator[Urls]:
        """Clone all three databases, and drop them at the end."""
        number = next(_clone_numbers)
        copies = {name: f"{name}_{number}" for name in DatabaseName}
        # Copy files, which is fastest in memory, over one connection, because many tests do it.
        with maintenance(self.server) as connection:
            for name, copy in copies.items():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                        sql.Identifier(copy), sql.Identifier(self._template(name))
                    )
                )
        try:
            yield {name: server_url(self.server, copy) for name, copy in copies.items()}
        finally:
            with maintenance(self.server) as connection:
                for copy in copies.values():
                    connection.execute(
                        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(copy))
                    )

    def _template(self, name: DatabaseName) -> str:
        return f"{self.label}_{name}"

    def _janitor(self, database: str) -> DatabaseJanitor:
        info = self.server.get_postmaster_info()
        return DatabaseJanitor(
            user=self.server.postgres_user,
            host=str(info.socket_dir),
            port=str(info.port),
            dbname=database,
            as_template=True,
        )


@dataclass(frozen=True)
class Outage:
    """Makes single databases refuse connections, as if their server were down, and restores them."""

    server: PostgresServer
    urls: Urls

    def stop(self, *names: DatabaseName) -> None:
        """Close every connection and refuse new ones."""
        for name in names:
            self._allow_connections(name, allowed=False)
            with maintenance(self.server) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (self._database(name),),
                )

    def start(self, *names: DatabaseName) -> None:
        """Accept connections again."""
        for name in names:
            self._allow_connections(name, allowed=True)

    def _allow_connections(self, name: DatabaseName, *, allowed: bool) -> None:
        with maintenance(self.server) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                    sql.Identifier(self._database(name)), sql.Literal(allowed)
                )
            )

    def _database(self, name: DatabaseName) -> str:
        return self.urls[name].rpartition("/")[2]
