"""The service as it is deployed: Gunicorn with its workers, and what they log."""

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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from prometheus_client.parser import text_string_to_metric_families

from config.settings import ROOT, Settings
from tests.support.postgres import Urls

_START_S = 60.0
_STOP_S = 20.0

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, body: object = None, method: str = ""
    ) -> Answer:
        """One request on a connection of its own, so that either worker may get it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = None if body is None else json.dumps(body)
        given = {"Content-Type": "application/json"} if data else {}
        try:
            connection.request(
                method or ("POST" if data else "GET"), path, data, {**given, **(headers or {})}
            )
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def logged(self, **fields: object) -> list[dict[str, Any]]:
        """The JSON lines with these fields."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [
            line for line in lines if fields.items() <= {k: v for k, v in line.items() if k in fields}.items()
        ]

    def value(self, name: str, labels: Labels | None = None) -> float:
        """The sum of a metric's samples with these labels."""
        return sum_of(self.ask("/metrics").body.decode(), name, labels or {})


def sum_of(text: str, name: str, labels: Labels) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def eventually(check: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.1)
    return False


@contextlib.contextmanager
def gunicorn(urls: Urls, **variables: str) -> Iterator[Server]:
    """Two workers on these databases, once both are ready."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    settings = {
        **{name.upper(): "" for name in Settings.model_fields},
        **{f"{name.upper()}_URL": url for name, url in urls.items()},
        "PORT": str(port),
        "MODEL_PATH": "/nonexistent",
        "POOL_TIMEOUT_MS": "300",
        **variables,
    }
    with tempfile.TemporaryDirectory(prefix="marquee-log-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"],
                cwd=ROOT,
                env={**os.environ, **settings},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        server = Server(port, process, log)
        try:
            assert eventually(lambda: _is_up(server), _START_S), log.read_text()
            yield server
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(_STOP_S)


def _is_up(server: Server) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    try:
        return server.value("marquee_workers", {"status": "ready"}) == 2
    except OSError:
        return False
