"""A PostgreSQL for each database, so that one can be broken at a time."""

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from recommender.databases.loading import create_databases
from recommender.demo.embedded import PostgresServer, embedded_server, server_url
from recommender.demo.generate import DemoData
from recommender.demo.load import load_demo
from recommender.entities import DatabaseName
from tests.support.clients import no_progress
from tests.support.postgres import Urls

# How long a database is down.
OUTAGE_S = 3.0
# Longer, so that most requests come after the first ones, which notice the lock.
_LOCK_S = 5.0
# The table of each database that every request reads.
_LOCKED_TABLE = {
    DatabaseName.USER: "tb_user_genre",
    DatabaseName.CATALOG: "medias",
    DatabaseName.ENGAGEMENT: "interaction",
}


@dataclass(frozen=True)
class Servers:
    """Running servers by their database."""

    by_name: dict[DatabaseName, PostgresServer]

    @property
    def urls(self) -> Urls:
        return {name: server_url(server, name) for name, server in self.by_name.items()}

    def hang(self, name: DatabaseName) -> None:
        """Suspend every process of a server for a few seconds."""
        processes = self._processes(name)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(OUTAGE_S)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def kill(self, name: DatabaseName) -> None:
        """Kill a server with its backends, as a power failure would, and start it again."""
        self._end(name, signal.SIGKILL, self._processes(name))

    def shut_down(self, name: DatabaseName) -> None:
        """Shut a server down, and start it again."""
        self._end(name, signal.SIGINT, self._processes(name)[:1])

    def lock(self, name: DatabaseName) -> tuple[float, float]:
        """Lock a table for a few seconds, as a migration does. Return begin and end of the lock."""
        with psycopg.connect(self.urls[name]) as connection:
            table = sql.Identifier(_LOCKED_TABLE[name])
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table))
            began_at = time.monotonic()
            time.sleep(_LOCK_S)
            return began_at, time.monotonic()

    def connections(self) -> dict[DatabaseName, int]:
        """Return the number of connections of the service."""
        counts = {}
        for name, url in self.urls.items():
            with psycopg.connect(url) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'marquee'"
                ).fetchone()
                assert row is not None
                counts[name] = int(row[0])
        return counts

    def _processes(self, name: DatabaseName) -> list[psutil.Process]:
        """Return the postmaster, then its children."""
        postmaster = psutil.Process(self.by_name[name].get_postmaster_info().pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def _end(self, name: DatabaseName, how: signal.Signals, told: list[psutil.Process]) -> None:
        everything = self._processes(name)
        for process in told:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(how)
        ended_at = time.monotonic()
        psutil.wait_procs(everything, timeout=10)
        time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - ended_at)))
        self.by_name[name].ensure_postgres_running()


@contextlib.contextmanager
def three_servers(folder: Path, data: DemoData) -> Iterator[Servers]:
    """Start three servers with generated data."""
    with contextlib.ExitStack() as stack:
        servers = Servers(
            {name: stack.enter_context(embedded_server(folder / name)) for name in DatabaseName}
        )
        for server in servers.by_name.values():
            maintenance_url = server_url(server, "postgres")
            create_databases(maintenance_url)
            with psycopg.connect(maintenance_url, autocommit=True) as connection:
                # A killed process loses nothing that it has passed to the kernel.
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
        load_demo(servers.urls, data, no_progress)
        yield servers
