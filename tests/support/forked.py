"""Starts the service and commands by a fork of a process with all imports done: they take most of a start."""

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
from dataclasses import dataclass
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
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
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


def fork(
    arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path | None = None
) -> ForkedProcess:
    """Start a program in the project's folder and in a session of its own, without standard input.

    Args:
        arguments: what follows `python` on a command line: `-m`, `-c`, or a file.
        environment: all variables, except those that the interpreter reads at its start.
        out: the file that receives its standard output.
        err: the file that receives its standard error; by default the same.
    """
    server, folder = _fork_server()
    answer = folder / str(next(_numbers))
    request = {
        "arguments": list(arguments),
        "environment": dict(environment),
        "out": str(out),
        "err": str(err or out),
        "answer": answer.name,
    }
    for file in (out, err or out):
        file.touch()
    assert server.stdin is not None
    server.stdin.write(json.dumps(request).encode() + b"\n")
    server.stdin.flush()
    ends_at = time.monotonic() + _PATIENCE_S
    while not answer.exists():
        assert server.poll() is None, "the fork server has ended"
        assert time.monotonic() < ends_at, "the fork server does not answer"
        time.sleep(_PAUSE_S)
    return ForkedProcess(int(answer.read_text()), folder / f"{answer.name}-ended")


@dataclass(frozen=True)
class Finished:
    """The exit status of a program that has ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run_forked(
    arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float = _PATIENCE_S
) -> Finished:
    """Run a program as `fork` starts it, and wait for its end."""
    with tempfile.TemporaryDirectory(prefix="marquee-forked-") as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = fork(arguments, environment, out, err)
        try:
            process.wait(timeout_s)
        finally:
            process.kill()
        assert process.returncode is not None
        return Finished(process.returncode, out.read_text(), err.read_text())


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
