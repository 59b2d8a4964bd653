"""A PostgreSQL for each database, to be broken one at a time."""

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from recommender.databases.loading import create_databases
from recommender.demo.embedded import PostgresServer, embedded_server, server_url
from recommender.demo.generate import DemoData
from recommender.demo.load import load_demo
from recommender.domain import DatabaseName
from tests.support.clients import no_progress
from tests.support.postgres import Urls

# How long a database stays away, and how long the service may take to notice that it is back.
_OUTAGE_S = 3.0
FAULTS = ("killed", "shut down", "hung")


@dataclass(frozen=True)
class Servers:
    """Running servers by the database that each of them holds."""

    by_name: dict[DatabaseName, PostgresServer]

    @property
    def urls(self) -> Urls:
        return {name: server_url(server, name) for name, server in self.by_name.items()}

    def break_and_mend(self, name: DatabaseName, fault: str) -> None:
        """Take one server away for a few seconds."""
        server = self.by_name[name]
        postmaster = psutil.Process(server.get_postmaster_info().pid)
        everything = [postmaster, *postmaster.children(recursive=True)]
        if fault == "hung":
            for process in everything:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
            time.sleep(_OUTAGE_S)
            for process in everything:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
            return
        # A kill takes the backends too, as a machine that loses its power would.
        for process in everything if fault == "killed" else [postmaster]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL if fault == "killed" else signal.SIGINT)
        psutil.wait_procs(everything, timeout=10)
        time.sleep(_OUTAGE_S)
        server.ensure_postgres_running()

    def connections(self) -> dict[DatabaseName, int]:
        """How many the service holds."""
        counts = {}
        for name, url in self.urls.items():
            with psycopg.connect(url) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'marquee'"
                ).fetchone()
                assert row is not None
                counts[name] = int(row[0])
        return counts


@contextlib.contextmanager
def three_servers(folder: Path, data: DemoData) -> Iterator[Servers]:
    """Three servers with generated data."""
    with contextlib.ExitStack() as stack:
        servers = Servers(
            {name: stack.enter_context(embedded_server(folder / name)) for name in DatabaseName}
        )
        for server in servers.by_name.values():
            create_databases(server_url(server, "postgres"))
        load_demo(servers.urls, data, no_progress)
        yield servers
