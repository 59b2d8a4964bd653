"""The service behind nginx, configured by the lines in docs/how-to/deploy.md."""

import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.setting_types import ROOT
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls
from tests.support.processes import free_port
from tests.support.programs import installed
from tests.support.reference import Reference
from tests.support.waiting import eventually, wait_until

pytestmark = pytest.mark.slow

_STOP_S = 10.0
# Without a key, so that /metrics shows how many workers are ready.
PROXIED = {"TRUSTED_PROXIES": "1", "ALLOW_ANONYMOUS": "true"}
BATCH = "/api/recommendations/batch"


def documented_lines() -> str:
    text = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
    block = text[text.index("    limit_conn_zone ") :]
    lines = block[: block.index("\nWith it, set")].splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines)


@contextlib.contextmanager
def behind_nginx(server: GunicornServer) -> Iterator[GunicornServer]:
    """Start the service behind nginx, and return its address there."""
    binary, port = installed("nginx", package="nginx-light"), free_port()
    lines = documented_lines()
    for documented, here in (
        ("127.0.0.1:5000", f"127.0.0.1:{server.port}"),
        ("listen 80", f"listen 127.0.0.1:{port}"),
        # All clients of the tests have one address.
        ("limit_conn clients 20", "limit_conn clients 1000"),
    ):
        assert documented in lines
        lines = lines.replace(documented, here)
    with tempfile.TemporaryDirectory(prefix="marquee-nginx-") as folder:
        temporary = "\n".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""
        path = Path(folder) / "nginx.conf"
        path.write_text(
            f"{user} daemon off; pid {folder}/pid; error_log stderr;\n"
            f"events {{ worker_connections 2048; }}\nhttp {{ access_log off; {temporary}\n{lines}\n}}\n"
        )
        process = subprocess.Popen(  # noqa: S603 - what Debian installed
            [binary, "-p", folder, "-e", "stderr", "-c", str(path)], stderr=subprocess.DEVNULL
        )
        proxied = replace(server, port=port)
        try:
            wait_until(lambda: _answers(proxied))
            yield proxied
        finally:
            process.terminate()
            process.wait(_STOP_S)


def _answers(server: GunicornServer) -> bool:
    try:
        return server.get("/health").status == 200
    except OSError:
        return False


def test_behind_nginx_slow_clients_are_not_noticed(shared_databases: Urls) -> None:
    users = Reference(shared_databases).users
    with (
        running_gunicorn(shared_databases, WORKERS="1", **PROXIED) as server,
        behind_nginx(server) as proxied,
        contextlib.ExitStack() as open_connections,
    ):
        head = f"POST {BATCH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        body = f'{{"user_ids": ["{users[0]}"], "limit": 100}}'
        whole = f"{head}Accept: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        for sent in ("GET /health HTTP/1.1\r\nX-Half: ", f"{head}Content-Length: 100\r\n\r\n{{", whole):
            for _ in range(50):
                connection = socket.create_connection(("127.0.0.1", proxied.port))
                open_connections.enter_context(connection)
                connection.sendall(sent.encode())
        answers = [proxied.get(f"/api/recommendations/{users[0]}") for _ in range(10)]
        assert {answer.status for answer in answers} == {200}
        assert max(answer.seconds for answer in answers) < 1.5
        # nginx buffers incomplete headers and bodies of requests, and answers.
        assert eventually(
            lambda: all(counts["open"] == 0 for counts in server.get("/ready").body["load"].values())
        )


def test_a_stream_comes_through_nginx_whole(shared_databases: Urls) -> None:
    users = Reference(shared_databases).users
    with running_gunicorn(shared_databases, **PROXIED) as server, behind_nginx(server) as proxied:
        answer = proxied.ask(BATCH, {"Accept": "application/x-ndjson"}, {"user_ids": users[:150], "limit": 5})
        assert answer.status == 200
        assert len(answer.body.splitlines()) == 150
