"""The forms that the output of a job may have, each of which can be cut back to where it was safe."""

import csv
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from recommender.answers import Row, line_of, rows_of
from recommender.batch.journal import sync_folder
from recommender.domain import UserRecommendations
from recommender.errors import BatchError


class OutputFormat(StrEnum):
    """What `--format` may be."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


class Writer(Protocol):
    """An output that grows.

    Raises:
        OSError: from every method, where the output cannot be written.
    """

    @property
    def due(self) -> bool:
        """Whether enough has been written to make it safe."""
        ...

    def exists(self) -> bool:
        """Whether there is an output already.

        Raises:
            BatchError: there is something else in its place.
        """
        ...

    def open(self, position: int) -> None:
        """Make it, or cut it back to what was safe; 0 is the beginning.

        Raises:
            BatchError: it does not reach so far.
        """
        ...

    def write(self, answers: Sequence[UserRecommendations]) -> None:
        """Add some users' answers."""
        ...

    def commit(self) -> int:
        """Make safe what has been written; the position after it."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class TextWriter(ABC):
    """A file of text; the position is its length in bytes."""

    due = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None

    def exists(self) -> bool:
        """See Writer."""
        if self._path.exists() and not self._path.is_file():
            raise BatchError("it is no regular file, and only such a one can be taken up again")
        return self._path.exists()

    def open(self, position: int) -> None:
        """See Writer."""
        if position and (not self.exists() or self._path.stat().st_size < position):
            raise BatchError("it is shorter than an earlier run left it; --overwrite starts again")
        # Unbuffered: an answer is on disk, or it has failed, before anybody notes that it is done.
        self._file = io.FileIO(self._path, "r+" if self._path.exists() else "x+")
        self._file.truncate(position)
        self._file.seek(position)
        if not position:
            self._put(self._head())
            sync_folder(self._path.parent)

    def write(self, answers: Sequence[UserRecommendations]) -> None:
        """See Writer."""
        self._put(b"".join(map(self._encode, answers)))

    def commit(self) -> int:
        """See Writer."""
        os.fsync(self._opened.fileno())
        return self._opened.tell()

    def close(self) -> None:
        """See Writer."""
        if self._file is not None:
            self._file.close()

    @property
    def _opened(self) -> io.FileIO:
        if self._file is None:
            raise ValueError("the output is not open")
        return self._file

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._opened.write(rest) :]

    def _head(self) -> bytes:
        return b""

    @abstractmethod
    def _encode(self, answer: UserRecommendations) -> bytes:
        """One user's part of the text."""


class NdjsonWriter(TextWriter):
    """A line of JSON a user, as the API streams them."""

    def _encode(self, answer: UserRecommendations) -> bytes:
        return line_of(answer)


class CsvWriter(TextWriter):
    """A row a recommendation, below a row of names. What is unknown is empty."""

    def _head(self) -> bytes:
        return _csv([Row._fields])

    def _encode(self, answer: UserRecommendations) -> bytes:
        return _csv(list(rows_of(answer)))


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
