"""Output formats of a job; each can be cut back to its last safe length."""

import io
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from recommender.batch.journal import tail_digest
from recommender.batch.rows import Row, RowMaker
from recommender.entities import UserRecommendations
from recommender.errors import BatchError
from recommender.results.serializers import line_of
from recommender.system.syncing import sync

# More than in RFC 4180: some readers strip blanks, or treat U+2028 and others as line breaks.
_NEEDS_QUOTES = re.compile(r'[",\x00-\x1f\x7f\x85\u2028\u2029]|^\s|\s$')
# Spreadsheets leave out blanks and invisible characters, and read full-width signs as the usual ones.
_UNSEEN = r"[\s\x00-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff]"
_SIGN = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(rf"^(?=[\t\r\n]|{_UNSEEN}*{_SIGN})|(?<=[;\t\r\n])(?=(?:{_UNSEEN}|[\"'])*{_SIGN})")
_QUOTE = '"'
_IDS = ("user_id", "media_id")


NOT_OURS = "it has changed since an earlier run; restore it, or start again with --overwrite"


class OutputFormat(StrEnum):
    """The values of `--format`."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


class Safe(NamedTuple):
    """The length of an output that is safe on disk, in bytes or files, and a digest of its end."""

    position: int
    fingerprint: str


def is_older(path: Path, saved_at: int) -> bool:
    """Return whether a file was last written before a moment, in nanoseconds of the file system's clock."""
    return path.stat().st_mtime_ns < saved_at


class Writer(Protocol):
    """An output that is written in steps.

    Raises:
        OSError: from every method, if the output cannot be written.
    """

    @property
    def due(self) -> bool:
        """Whether enough has been written to make it safe."""
        ...

    def exists(self) -> bool:
        """Whether an output exists.

        Raises:
            BatchError: the path exists and is not such an output.
        """
        ...

    def create(self) -> None:
        """Begin the output, replacing an existing one."""
        ...

    def resume(self, safe: Safe, saved_at: int) -> None:
        """Cut the output back to its safe length.

        Args:
            safe: its length and digest in the journal.
            saved_at: when the journal was saved. What the job wrote since then is not older.

        Raises:
            BatchError: it is shorter, or has other content.
        """
        ...

    def write(self, answers: Sequence[UserRecommendations]) -> None:
        """Append the answers for some users."""
        ...

    def commit(self) -> Safe:
        """Flush the output to disk and return its safe length."""
        ...

    def close(self) -> None:
        """Close the output."""
        ...


class TextWriter(ABC):
    """A text file; its position is the length in bytes."""

    due = True
    _beginning: bytes

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None

    def exists(self) -> bool:
        """See Writer."""
        if self._path.exists() and not self._path.is_file():
            raise BatchError("it is not a regular file, so the job could not be resumed")
        return self._path.exists()

    def create(self) -> None:
        """See Writer."""
        self._open(0)
        self._put(self._head())
        sync(self._path.parent)

    def resume(self, safe: Safe, saved_at: int) -> None:
        """See Writer."""
        if not safe.position:
            # Nothing is lost with an empty file, such as that of a job that ended before its first user.
            has_content = self.exists() and self._path.stat().st_size > 0
            if has_content and (is_older(self._path, saved_at) or not self._begins_as_ours()):
                raise BatchError(NOT_OURS)
            self.create()
            return
        if not self.exists() or self._path.stat().st_size < safe.position:
            raise BatchError("it is shorter than after an earlier run; --overwrite starts again")
        if tail_digest(self._path, safe.position) != safe.fingerprint:
            raise BatchError(NOT_OURS)
        self._open(safe.position)

    def write(self, answers: Sequence[UserRecommendations]) -> None:
        """See Writer."""
        self._put(b"".join(map(self._encode, answers)))

    def commit(self) -> Safe:
        """See Writer."""
        os.fsync(self._opened.fileno())
        position = self._opened.tell()
        return Safe(position, tail_digest(self._path, position))

    def close(self) -> None:
        """See Writer."""
        if self._file is not None:
            self._file.close()

    @property
    def _opened(self) -> io.FileIO:
        if self._file is None:
            raise ValueError("the output is not open")
        return self._file

    def _open(self, position: int) -> None:
        # Unbuffered, so that write errors occur before the journal records an answer as done.
        self._file = io.FileIO(self._path, "r+" if self._path.exists() else "x+")
        self._file.truncate(position)
        self._file.seek(position)

    def _begins_as_ours(self) -> bool:
        """Whether the file may stem from a run that was killed before its first commit."""
        with self._path.open("rb") as file:
            found = file.read(len(self._beginning))
        return self._beginning.startswith(found)

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._opened.write(rest) :]

    def _head(self) -> bytes:
        return b""

    @abstractmethod
    def _encode(self, answer: UserRecommendations) -> bytes:
        """Return the text of one user's answer."""


class NdjsonWriter(TextWriter):
    """Writes a line of JSON per user, as the API streams them."""

    _beginning = b'{"user_id":'

    def _encode(self, answer: UserRecommendations) -> bytes:
        return line_of(answer)


class CsvWriter(TextWriter):
    """Writes a header and a row per recommendation, as in RFC 4180. Unknown values are empty.

    Args:
        path: the file.
        maker: makes the rows.
        defuse_formulas: put apostrophes into text, except ids, that a spreadsheet would run.
    """

    def __init__(self, path: Path, maker: RowMaker, *, defuse_formulas: bool) -> None:
        super().__init__(path)
        self._maker = maker
        self._beginning = self._head()
        self._defuse_formulas = defuse_formulas

    def _head(self) -> bytes:
        return _csv_line(self._maker.columns)

    def _encode(self, answer: UserRecommendations) -> bytes:
        rows = self._maker.rows(answer)
        return b"".join(map(_csv_line, map(self._without_formulas, rows) if self._defuse_formulas else rows))

    def _without_formulas(self, row: Row) -> list[object]:
        """Defuse formulas in text, except ids."""
        return [
            without_formulas(value) if isinstance(value, str) and name not in _IDS else value
            for name, value in zip(self._maker.columns, row, strict=True)
        ]


def without_formulas(text: str) -> str:
    """Put an apostrophe wherever a spreadsheet may begin a cell with a formula.

    In many countries it splits CSV at semicolons, or at tabs on request. Quotes of a value then do not begin
    its cell, so line breaks in it end the row.
    """
    return _FORMULA.sub("'", text)


def _csv_line(values: Sequence[object]) -> bytes:
    """Encode a record; the csv module of Python 3.11 does not quote a bare CR or blanks."""
    texts = ("" if value is None else str(value) for value in values)
    quoted = (
        f'"{text.replace(_QUOTE, _QUOTE * 2)}"' if _NEEDS_QUOTES.search(text) else text for text in texts
    )
    return f"{','.join(quoted)}\r\n".encode()
