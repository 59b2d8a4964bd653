"""Read texts of databases whose encoding is not UTF-8; a character without an equivalent is replaced."""

import codecs
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format

# Arrays are read by the loader of their elements. 0 is any type not listed.
_TEXT_TYPES = ("text", "varchar", "bpchar", "name", '"char"')
_NO_TYPE = 0
# What the driver calls SQL_ASCII.
_ANY_BYTES = "ascii"
_SUBSTITUTING = "marquee_substitute"


def _substitute(error: UnicodeError) -> tuple[str, int]:
    """Replace each character that an encoding lacks by SUBSTITUTE, which occurs in no id, type or name."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "\x1a" * (error.end - error.start), error.end


codecs.register_error(_SUBSTITUTING, _substitute)


class LenientTextLoader(Loader):
    """Load text in the encoding of the connection, with U+FFFD for invalid bytes."""

    format = Format.TEXT

    def __init__(self, oid: int, context: psycopg.abc.AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._encoding = _encoding_of(self.connection)

    def load(self, data: Buffer) -> str:
        """Return the text."""
        return str(data, self._encoding, "replace")


class LenientBinaryTextLoader(LenientTextLoader):
    """Load text in PostgreSQL's binary format, which is the same bytes."""

    format = Format.BINARY


class LenientTextDumper(Dumper):
    """Dump text in the encoding of the connection; characters that it lacks match nothing.

    The type is left open, as the driver does: the statements cast their parameters.
    """

    format = Format.TEXT
    oid = 0

    def dump(self, obj: str) -> bytes:
        """Return the text."""
        return encoded(obj, self.connection)


def encoded(text: str, connection: psycopg.BaseConnection[Any] | None) -> bytes:
    """Return text in the encoding of a connection; characters that it lacks are substituted.

    Raises:
        psycopg.DataError: PostgreSQL has no texts with a zero.
    """
    if "\x00" in text:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return text.encode(_encoding_of(connection), _SUBSTITUTING)


def statement_for(connection: psycopg.BaseConnection[Any], statement: bytes) -> bytes:
    """Return a statement, which files hold in UTF-8, in the encoding of a connection."""
    return statement if statement.isascii() else encoded(statement.decode(), connection)


def adapt_texts(connection: psycopg.Connection[Any]) -> None:
    """Make a connection lose a character, not the statement, where the database's encoding is not UTF-8.

    One row with bytes that have no equivalent in UTF-8 would fail the whole statement: the server refuses to
    send it to a client that asks for UTF-8. So texts are exchanged in the encoding of the database, where the
    server converts nothing, and are decoded here. SQL_ASCII is any bytes, read and sent as UTF-8. Nothing
    changes for databases in UTF-8, or in an encoding that Python does not know.

    Raises:
        psycopg.Error: the server does not answer.
    """
    encoding = connection.info.parameter_status("server_encoding") or "UTF8"
    if encoding == "UTF8":
        return
    statement = "SELECT set_config('client_encoding', %s, false)"
    try:
        connection.execute(statement, (encoding,), prepare=False)
        _encoding_of(connection)
    except psycopg.NotSupportedError:
        connection.execute(b"SET client_encoding TO 'UTF8'", prepare=False)
        return
    connection.adapters.register_loader(_NO_TYPE, LenientTextLoader)
    connection.adapters.register_dumper(str, LenientTextDumper)
    for name in _TEXT_TYPES:
        for loader in (LenientTextLoader, LenientBinaryTextLoader):
            connection.adapters.register_loader(name, loader)


def _encoding_of(connection: psycopg.BaseConnection[Any] | None) -> str:
    known = "utf-8" if connection is None else connection.info.encoding
    return "utf-8" if known == _ANY_BYTES else known
