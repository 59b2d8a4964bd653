"""Gunicorn, started from a process that has imported what it serves: imports are most of a start."""

import atexit
import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.setting_types import ROOT

_PAUSE_S = 0.01
_PATIENCE_S = 60.0
_numbers = itertools.count(1)


class ForkedProcess:
    """A process that the fork server started, with what is used of `subprocess.Popen`."""

    def __init__(self, pid: int, status: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        if self.returncode is None and self._status.exists():
            self.returncode = int(self._status.read_text())
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait until it has ended, and return its exit status.

        Raises:
            TimeoutExpired: it still runs after so many seconds.
        """
        ends_at = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > ends_at:
                raise subprocess.TimeoutExpired("gunicorn", timeout)
            time.sleep(_PAUSE_S)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def fork_gunicorn(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> ForkedProcess:
    """Start Gunicorn in the project's folder.

    Args:
        arguments: what follows `gunicorn` on a command line.
        environment: all variables, of which the interpreter has read its own before.
        log: where it writes.
    """
    server, folder = _fork_server()
    answer = folder / str(next(_numbers))
    request = {
        "arguments": list(arguments),
        "environment": dict(environment),
        "log": str(log),
        "answer": answer.name,
    }
    assert server.stdin is not None
    server.stdin.write(json.dumps(request).encode() + b"\n")
    server.stdin.flush()
    ends_at = time.monotonic() + _PATIENCE_S
    while not answer.exists():
        assert server.poll() is None, "the fork server has ended"
        assert time.monotonic() < ends_at, "the fork server does not answer"
        time.sleep(_PAUSE_S)
    return ForkedProcess(int(answer.read_text()), folder / f"{answer.name}-ended")


@functools.cache
def _fork_server() -> tuple["subprocess.Popen[bytes]", Path]:
    """Start the fork server, once for each process that tests, and where it writes its answers."""
    folder = tempfile.TemporaryDirectory(prefix="marquee-forks-", ignore_cleanup_errors=True)
    server = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.support.fork_server", folder.name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        # What ends the tests is not to end it, too: it has to end what it started.
        start_new_session=True,
    )

    def stop() -> None:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(_PATIENCE_S)
        folder.cleanup()

    atexit.register(stop)
    return server, Path(folder.name)
