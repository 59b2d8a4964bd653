"""Texts of a database that does not know what they are encoded in."""

from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

# Their arrays are read by the loader of their elements. 0 is any type not listed.
_TEXT_TYPES = ("text", "varchar", "bpchar", "name", '"char"')
_NO_TYPE = 0


class LenientTextLoader(Loader):
    """Text in UTF-8, with U+FFFD for what is not UTF-8."""

    format = Format.TEXT

    def load(self, data: Buffer) -> str:
        """The text."""
        return str(data, "utf-8", "replace")


class LenientBinaryTextLoader(LenientTextLoader):
    """The same of a column in PostgreSQL's binary format, which for text is its bytes."""

    format = Format.BINARY


def adapt_texts(connection: psycopg.Connection[Any]) -> None:
    """Have a connection to a database of the encoding SQL_ASCII return what is not UTF-8 as U+FFFD.

    Such a database holds whatever bytes were sent. One row with others would cost all that a statement
    returns: the server refuses to send it to a client that asks for UTF-8, and the driver to decode it.
    Parameters go out in UTF-8 either way. Other databases hold valid text; nothing is changed for them.

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
