"""Servers to measure, each under the service's own Gunicorn configuration."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil

from benchmarks.dataset import BenchmarkData
from benchmarks.load import Client, get_request
from config.database_settings import url_variables
from config.setting_types import ROOT

_START_S = 120.0
_MODEL_WAIT_S = 180
# More than enough to reach both workers.
_ANSWERS_BY_MODEL = 20


@dataclass(frozen=True, slots=True)
class Server:
    """A running Gunicorn."""

    port: int
    pid: int
    postgres_pid: int
    log: Path | None = None
    redis_pid: int | None = None

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds so far of the service and of the servers it queries, by name."""
        pids = {"service": self.pid, "PostgreSQL": self.postgres_pid, "Redis": self.redis_pid}
        return {name: _cpu_seconds(pid) for name, pid in pids.items() if pid is not None}

    def worker_memory_mb(self) -> tuple[float, float]:
        """Return the private and the shared memory of the largest worker, in MB."""
        workers = [worker.memory_full_info() for worker in psutil.Process(self.pid).children()]
        largest = max(workers, key=lambda info: info.uss)
        return largest.uss / 1e6, (largest.rss - largest.uss) / 1e6


def free_port() -> int:
    """Return a port of this host that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def serving(
    application: str,
    data: BenchmarkData,
    log: Path | None = None,
    redis_pid: int | None = None,
    /,
    **variables: str,
) -> Iterator[Server]:
    """Start Gunicorn with an application, yield it once it answers, and stop it at the end.

    Args:
        application: module and variable, such as `wsgi:app`.
        data: the databases.
        log: where the output goes.
        redis_pid: process id of the Redis that the application uses, if any.
        variables: environment variables, also in place of those set here.
    """
    port = free_port()
    environment: Mapping[str, str] = {
        **os.environ,
        **url_variables(data.urls),
        "PORT": str(port),
        "LOG_LEVEL": "WARNING",
        "MODEL_PATH": "/proc/nonexistent",
        "TRAINING_SCHEDULE": "never",
        # Limits so high that slow requests are measured, not rejected or degraded.
        "TIME_BUDGET_MS": "10000",
        "STATEMENT_TIMEOUT_MS": "10000",
        **variables,
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", application]
    with nullcontext() if log is None else log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)  # noqa: S603 - our own files
    try:
        _wait_until_it_answers(port)
        yield Server(port, process.pid, data.postgres_pid, log, redis_pid)
    finally:
        process.terminate()
        process.wait()


def wait_for_model(server: Server, user_id: str, model: str) -> None:
    """Wait for 20 answers in a row by the model: then all workers most likely have it.

    Raises:
        TimeoutError: there are fewer in time.
    """
    in_a_row = 0
    deadline = time.monotonic() + _MODEL_WAIT_S
    while in_a_row < _ANSWERS_BY_MODEL and time.monotonic() < deadline:
        try:
            answer = orjson.loads(
                Client(server.port).ask(get_request(f"/api/recommendations/{user_id}?limit=1"))
            )
            in_a_row = in_a_row + 1 if answer["model"] == model and not answer["degraded"] else 0
        except RuntimeError:
            in_a_row = 0
        time.sleep(0.05)
    if in_a_row < _ANSWERS_BY_MODEL:
        raise TimeoutError(f"port {server.port}: {model} did not answer within {_MODEL_WAIT_S} s")


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its children, also of those that have ended."""
    main = psutil.Process(pid)
    times = main.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in main.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            own = child.cpu_times()
            total += own.user + own.system
    return float(total)


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise TimeoutError(f"port {port}: /health did not answer 200 within {_START_S:.0f} s")
