"""Starts Gunicorn by a fork of a process with all imports done, because imports take most of a start."""

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
    """A process that the fork server started, with the used part of the interface of `subprocess.Popen`."""

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
        """Wait until the process has ended, and return its exit status.

        Raises:
            TimeoutExpired: it still runs after the given seconds.
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
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def fork_gunicorn(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> ForkedProcess:
    """Start Gunicorn in the project's folder.

    Args:
        arguments: the arguments of the command `gunicorn`.
        environment: all variables, except those that the interpreter reads at its start.
        log: receives its output.
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
    """Start the fork server once per test process. Return it and the folder of its answers."""
    folder = tempfile.TemporaryDirectory(prefix="marquee-forks-", ignore_cleanup_errors=True)
    server = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.support.fork_server", folder.name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        # In its own session: a signal to the tests must not end it before it has ended its processes.
        start_new_session=True,
    )

    def stop() -> None:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(_PATIENCE_S)
        folder.cleanup()

    atexit.register(stop)
    return server, Path(folder.name)
