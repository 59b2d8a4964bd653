"""Read texts of databases with the encoding SQL_ASCII, which may hold any bytes."""

from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

# Arrays are read by the loader of their elements. 0 is any type not listed.
_TEXT_TYPES = ("text", "varchar", "bpchar", "name", '"char"')
_NO_TYPE = 0


class LenientTextLoader(Loader):
    """Load text as UTF-8, with U+FFFD for invalid bytes."""

    format = Format.TEXT

    def load(self, data: Buffer) -> str:
        """Return the text."""
        return str(data, "utf-8", "replace")


class LenientBinaryTextLoader(LenientTextLoader):
    """Load text in PostgreSQL's binary format, which is the same bytes."""

    format = Format.BINARY


def adapt_texts(connection: psycopg.Connection[Any]) -> None:
    """Make a connection to a database with the encoding SQL_ASCII return invalid UTF-8 as U+FFFD.

    Such a database holds any bytes. One row with invalid bytes would fail the whole statement: the server
    refuses to send it to a client that asks for UTF-8, and the driver refuses to decode it. Parameters are
    sent in UTF-8 either way. Other databases hold valid text; nothing changes for them.

    Raises:
        psycopg.Error: the server does not answer.
    """
    if connection.info.parameter_status("server_encoding") != "SQL_ASCII":
        return
    connection.execute("SET client_encoding TO 'SQL_ASCII'")
    connection.adapters.register_loader(_NO_TYPE, LenientTextLoader)
    for name in _TEXT_TYPES:
        for loader in (LenientTextLoader, LenientBinaryTextLoader):
            connection.adapters.register_loader(name, loader)
