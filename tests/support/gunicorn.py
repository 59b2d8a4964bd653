"""The service as in production: under Gunicorn, in its own processes."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import psutil
from prometheus_client.parser import text_string_to_metric_families

from config.database_settings import url_variables
from config.setting_types import ROOT
from config.settings import Settings
from tests.support.forked import ForkedProcess, fork
from tests.support.postgres import Urls
from tests.support.processes import NO_MODELS
from tests.support.waiting import eventually

# Variables that take effect before a program runs, and so not after a fork.
_OF_ANY_PROCESS = {"LD_PRELOAD", "NUMBA_CACHE_DIR", "PYTHONPATH"}
_START_S = 60.0
_STOP_S = 40.0
_COMMAND = (sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app")
_PAUSE_S = 0.02

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """An answer. `body` is parsed if it is JSON."""

    status: int
    headers: Message
    body: Any
    seconds: float


@dataclass(frozen=True)
class GunicornServer:
    """A running Gunicorn master."""

    port: int
    process: "subprocess.Popen[bytes] | ForkedProcess"
    log: Path

    def get(self, path: str, timeout_s: float = 20.0) -> Answer:
        """Send a GET over a new connection."""
        return self.request("GET", path, timeout_s=timeout_s)

    def post(self, path: str, content: object, timeout_s: float = 60.0) -> Answer:
        """Send a POST of JSON over a new connection."""
        return self.request("POST", path, json.dumps(content).encode(), timeout_s=timeout_s)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 20.0,
    ) -> Answer:
        """Send a request over a new connection."""
        started = time.monotonic()
        sent = {**({"Content-Type": "application/json"} if body else {}), **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            content = response.read()
            received = response.headers
        finally:
            connection.close()
        is_json = received.get("content-type", "").startswith("application/json")
        return Answer(
            status=response.status,
            headers=received,
            body=json.loads(content) if is_json else content,
            seconds=time.monotonic() - started,
        )

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, body: object = None, method: str = ""
    ) -> Answer:
        """Send a request, a POST of JSON if there is a body."""
        data = None if body is None else json.dumps(body).encode()
        return self.request(method or ("POST" if data else "GET"), path, data, headers=headers)

    def logged(self, **fields: object) -> list[dict[str, Any]]:
        """Return the JSON log lines with these fields."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if fields.items() <= {k: line[k] for k in fields if k in line}.items()]

    def value(self, name: str, labels: Labels | None = None) -> float:
        """Return the sum of a metric's samples with these labels."""
        return sum_of(self.get("/metrics").body.decode(), name, labels or {})

    def workers(self) -> dict[int, psutil.Process]:
        """Return the worker processes, by pid."""
        return {child.pid: child for child in psutil.Process(self.process.pid).children()}

    def stop(self) -> int:
        """Stop the master, wait for it, and return its exit status."""
        self.process.terminate()
        return self.process.wait(_STOP_S)


def sum_of(text: str, name: str, labels: Labels) -> float:
    """Return the sum of a metric's samples in Prometheus' text format."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def settings_alone(**variables: str) -> dict[str, str]:
    """Return environment variables with these settings, and all others unset."""
    nothing_of_ours = dict.fromkeys(Settings.variables(), "")
    return {**nothing_of_ours, "MODEL_PATH": NO_MODELS, "TRAINING_SCHEDULE": "never", **variables}


def without_numba(folder: Path) -> dict[str, str]:
    """Return variables with which new interpreters find no numba: its import takes half of their start.

    Args:
        folder: receives a module that takes its place.
    """
    (folder / "numba.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": str(folder)}


@contextlib.contextmanager
def running_gunicorn(urls: Urls, **variables: str) -> Iterator[GunicornServer]:
    """Start Gunicorn on some databases, and wait until it answers. It is killed at the end.

    A graceful stop takes seconds; only tests of stopping wait for it.
    """
    with gunicorn_in(ROOT, urls, settings_alone(**variables)) as server:
        yield server


@contextlib.contextmanager
def gunicorn_in(
    root: Path, urls: Urls, variables: Mapping[str, str], *, command: Sequence[str] = _COMMAND
) -> Iterator[GunicornServer]:
    """Start Gunicorn from another tree of files, with its `.env`, or by another command in any folder.

    A command of this interpreter in the project's own folder is run by a fork.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="marquee-gunicorn-") as folder:
        log = Path(folder) / "log"
        environment = {
            **os.environ,
            # Removing it removes the leftovers of a killed master.
            "TMPDIR": folder,
            **variables,
            **url_variables(urls),
            "PORT": str(port),
        }
        process: subprocess.Popen[bytes] | ForkedProcess
        if (root, command[0]) == (ROOT, sys.executable) and not _OF_ANY_PROCESS & variables.keys():
            process = fork(command[1:], environment, log)
        else:
            process = _start(command, root, environment, log)
        server = GunicornServer(port, process, log)
        try:
            _wait_until_it_answers(server)
            if not variables.get("API_KEYS") and not variables.get("RATE_LIMIT"):
                # Only if requests need no key and are not limited.
                workers = int(variables.get("WORKERS") or "2")
                assert eventually(
                    lambda: server.value("marquee_workers", {"status": "ready"}) == workers, _START_S
                )
            yield server
            # What logging itself writes of a message that does not fit its arguments.
            assert "--- Logging error ---" not in log.read_text(errors="replace")
        finally:
            _kill(process)


def _start(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
) -> "subprocess.Popen[bytes]":
    with log.open("wb") as file:
        return subprocess.Popen(  # noqa: S603 - Gunicorn
            command,
            cwd=folder,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def _kill(process: "subprocess.Popen[bytes] | ForkedProcess") -> None:
    """Kill a master, if it still runs, with its workers, and wait until they have ended."""
    if process.poll() is None:
        workers = psutil.Process(process.pid).children()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_S)
        psutil.wait_procs(workers, _STOP_S)


def _wait_until_it_answers(server: GunicornServer) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if server.get("/health", timeout_s=5).status == http.client.OK:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(_PAUSE_S)
    raise AssertionError(f"Gunicorn did not come up:\n{server.log.read_text()}")
