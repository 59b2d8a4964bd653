"""Callers that stop in the middle do not hold a thread for ever."""

import contextlib
import runpy
import socket
import struct
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from config.settings import ROOT
from tests.support.gunicorn import running_gunicorn
from tests.support.postgres import Urls

# Three times what Gunicorn is set to wait.
_PATIENCE_S = 30.0
HALF_A_HEADER = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Half: "
BATCH = b"POST /api/recommendations/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
STALLED = "a caller stalled: connection closed"
ANSWERED = "POST /api/recommendations/batch 400"
HALF_A_BODY = BATCH + b'Content-Length: 100\r\n\r\n{"user_ids"'


def wait_for(log: Path, *texts: str) -> str:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        printed = log.read_text()
        if all(text in printed for text in texts):
            return printed
        time.sleep(0.1)
    pytest.fail(log.read_text())


def test_stalled_senders_keep_others_waiting_for_seconds_only(shared_databases: Urls) -> None:
    # Gunicorn has four threads more than it is told of.
    variables = {"WORKERS": "1", "THREADS": "1", "MAX_WAITING": "0"}
    with (
        running_gunicorn(shared_databases, **variables) as server,
        contextlib.ExitStack() as open_connections,
    ):
        for sent in [HALF_A_HEADER] * 3 + [HALF_A_BODY] * 2:
            connection = socket.create_connection(("127.0.0.1", server.port))
            open_connections.enter_context(connection)
            connection.sendall(sent)
        time.sleep(1)
        first = server.get("/health", timeout_s=_PATIENCE_S)
        assert first.status == 200
        assert first.seconds > 1, "all threads were taken"
        printed = wait_for(server.log, ANSWERED, STALLED)
    assert "Traceback" not in printed


def test_a_connection_waits_for_a_minute_for_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_HOST", "localhost")
    configuration = runpy.run_path(str(ROOT / "config" / "gunicorn.conf.py"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        configuration["_give_up_on_stalled_callers"](SimpleNamespace(sockets=[listener]))
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                wait = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16)
    assert struct.unpack("ll", wait) == (60, 0)
