"""A real PgBouncer in front of the tests' PostgreSQL."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from recommender.demo.embedded import PostgresServer
from tests.support.postgres import Urls
from tests.support.processes import free_port
from tests.support.programs import installed
from tests.support.waiting import wait_until

_STOP_S = 10.0


@contextlib.contextmanager
def running_pgbouncer(server: PostgresServer, urls: Urls, settings: Mapping[str, str]) -> Iterator[Urls]:
    """Return the URLs of the databases through a PgBouncer that accepts the URLs' roles."""
    binary = installed("pgbouncer", package="pgbouncer")
    info = server.get_postmaster_info()
    port = free_port()
    role = _role_of(next(iter(urls.values())))
    # Not pytest's own folder, which PgBouncer's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="marquee-pgbouncer-"))
    ours = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",
        "logfile": str(folder / "pgbouncer.log"),
        # A small pool where clients can share sessions, so that they must.
        "default_pool_size": "2" if settings["pool_mode"] == "transaction" else "50",
        **settings,
    }
    lines = ["[databases]", f"* = host={info.socket_dir} port={info.port} user={role}", "[pgbouncer]"]
    lines += [f"{name} = {value}" for name, value in ours.items()]
    path = folder / "pgbouncer.ini"
    path.write_text("\n".join(lines) + "\n")
    as_other = []
    if os.geteuid() == 0:
        # It does not run as root. PostgreSQL's user may enter the folder of its socket.
        owner = Path(info.socket_dir).owner()
        for owned in (folder, path):
            shutil.chown(owned, owner)
        as_other = ["-u", owner]
    process = subprocess.Popen(  # noqa: S603 - what Debian installed
        [binary, *as_other, str(path)], stderr=subprocess.DEVNULL
    )
    through = {
        name: f"postgresql://{role}@127.0.0.1:{port}/{url.rpartition('/')[2]}" for name, url in urls.items()
    }
    try:
        wait_until(lambda: _answers(next(iter(through.values()))))
        yield through
    finally:
        process.terminate()
        process.wait(_STOP_S)
        shutil.rmtree(folder, ignore_errors=True)


def _role_of(url: str) -> str:
    return url.removeprefix("postgresql://").partition("@")[0].partition(":")[0]


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
