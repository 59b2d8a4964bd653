"""Writes log lines without waiting for a reader that has stopped reading."""

import logging
import os
import select
import stat
from typing import TextIO

# How long a line waits for the reader, once: the lines after it do not wait until there is room again.
_PATIENCE_MS = 1_000


class StderrHandler(logging.StreamHandler[TextIO]):
    """Write lines to standard error; if it is a pipe that nobody reads, drop them, and later say how many.

    A full pipe blocks its writers. When a collector of logs hangs, a thread that logs would wait for ever,
    and all others of the process for the lock of the handler: the service would neither answer nor stop.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pipe = _opened_again(self.stream)
        self._room = select.poll()
        if self._pipe is not None:
            self._room.register(self._pipe, select.POLLOUT)
        self._dropped = 0
        self._is_torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record, or count it as dropped."""
        if self._pipe is None:
            super().emit(record)
            return
        try:
            if self._write(self._pipe, self._before() + self._line(record)):
                self._dropped = 0
            else:
                self._dropped += 1
        except Exception:  # noqa: BLE001 - as the base class does
            self.handleError(record)

    def close(self) -> None:
        """Close the pipe, which standard error keeps open."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            os.close(pipe)
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        return (self.format(record) + self.terminator).encode(errors="backslashreplace")

    def _before(self) -> bytes:
        """Return what is written before the next line: the end of a torn line, and how many were dropped."""
        end = self.terminator.encode() if self._is_torn else b""
        if not self._dropped:
            return end
        text = "%d lines of the log were dropped, because nobody read it"
        about = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (self._dropped,), None)
        return end + self._line(about)

    def _write(self, pipe: int, lines: bytes) -> bool:
        """Write lines if there is room, or will be soon; return whether they were written completely."""
        rest = memoryview(lines)
        while rest:
            try:
                rest = rest[os.write(pipe, rest) :]
            except BlockingIOError:
                if not self._room.poll(0 if self._dropped else _PATIENCE_MS):
                    break
        if len(rest) < len(lines):
            self._is_torn = bool(rest)
        return not rest


def _opened_again(stream: TextIO) -> int | None:
    """Open a pipe for writing without blocking; None if it is no pipe.

    Opened again, because other processes with the same standard error expect it to block.
    """
    try:
        descriptor = stream.fileno()
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return None
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        # For example, a test replaces the stream, or there is no /proc.
        return None
