"""Writes log lines to standard error, without blocking on a full pipe."""

import logging
import os
import select
import stat
from typing import TextIO

# How long a line waits for room in the pipe. Lines after it do not wait until there is room again.
_PATIENCE_MS = 1_000


class StderrHandler(logging.StreamHandler[TextIO]):
    """Write lines to standard error. If it is a full pipe, drop them, and later log how many were dropped.

    A full pipe blocks its writers. When a log collector hangs, a thread that logs would wait forever, and all
    other threads for the lock of the handler: the service would neither answer nor stop.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pipe = _opened_again(self.stream)
        self._room = select.poll()
        if self._pipe is not None:
            self._room.register(self._pipe, select.POLLOUT)
        self._dropped = 0
        self._ends_midline = False

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
        """Return what precedes the next line: the end of a partly written one, and the count of drops."""
        end = self.terminator.encode() if self._ends_midline else b""
        if not self._dropped:
            return end
        text = "log lines dropped because the pipe of standard error was full: %d"
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
            self._ends_midline = bool(rest)
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
