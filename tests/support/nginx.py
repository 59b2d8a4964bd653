"""nginx in front of the service, configured by the lines in docs/how-to/deploy.md."""

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from config.setting_types import ROOT
from tests.support.gunicorn import GunicornServer
from tests.support.processes import free_port
from tests.support.programs import installed
from tests.support.waiting import wait_until

_STOP_S = 10.0


def _documented_lines(start: str, end: str) -> str:
    text = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
    block = text[text.index(f"    {start}") :]
    lines = block[: block.index(f"\n{end}")].splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines)


def _configuration(*, below_path: bool) -> str:
    lines = _documented_lines("limit_conn_zone ", "With it, set")
    if not below_path:
        return lines
    replaced = re.compile(r"    location / \{\n.*\n")
    assert replaced.search(lines)
    return replaced.sub(f"{_documented_lines('    location /marquee/', 'Clients of the API')}\n", lines)


@contextlib.contextmanager
def behind_nginx(server: GunicornServer, *, below_path: bool = False) -> Iterator[GunicornServer]:
    """Start nginx in front of a server, and return the server with the port of nginx.

    `below_path`: whether the service is at /marquee/ there.
    """
    binary, port = installed("nginx", package="nginx-light"), free_port()
    lines = _configuration(below_path=below_path)
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
            wait_until(lambda: _answers(proxied, f"{'/marquee' if below_path else ''}/health"))
            yield proxied
        finally:
            process.terminate()
            process.wait(_STOP_S)


def _answers(server: GunicornServer, path: str) -> bool:
    try:
        return server.get(path).status == 200
    except OSError:
        return False
