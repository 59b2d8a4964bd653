"""The ways to start the service, of a new user and of a deployment."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from config.setting_types import ROOT
from tests.support.postgres import Urls
from tests.support.processes import GUNICORN, environment, refusal

_START_S = 60.0
_STOP_S = 20.0
NOWHERE = {f"{name}_DB_URL": "postgresql://127.0.0.1:1/none" for name in ("USER", "CATALOG", "ENGAGEMENT")}
# `serve` that gets a signal when the server's process exists, but is not yet known.
_EARLY_SIGNAL = """
import os, subprocess, sys

class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print("server", self.pid, flush=True)
        os.kill(os.getpid(), int(sys.argv[1]))

subprocess.Popen = Popen
from recommender.cli.main import main
sys.exit(main(["serve"]))
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


def start(arguments: list[str], variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own files
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(process: "subprocess.Popen[str]", line: str) -> str:
    """Return the output of the process up to and with a line."""
    assert process.stdout is not None
    printed = ""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        text = process.stdout.readline()
        printed += text
        if line in text:
            return printed
        assert text, f"the process ended before it said {line!r}:\n{printed}"
    pytest.fail(f"it never said {line!r}:\n{printed}")


def stop(process: "subprocess.Popen[str]", number: signal.Signals) -> str:
    """Signal the whole process group, as a terminal does. Return the remaining output."""
    os.killpg(process.pid, number)
    return process.communicate(timeout=_STOP_S)[0]


def fetch(port: int, path: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def postgres_processes(folder: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or ())
    ]


@pytest.fixture
def demo_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="marquee-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "demo"


def test_without_databases_the_demo_is_made_once_served_and_stopped(port: int, demo_folder: Path) -> None:
    variables = {"PORT": str(port), "DEMO_PATH": str(demo_folder)}
    users = []
    for first_time, number in ((True, signal.SIGINT), (False, signal.SIGTERM)):
        # With the default settings it begins to train, which one test covers.
        schedule = {"TRAINING_SCHEDULE": ""} if first_time else {}
        process = start(["app.py"], {**variables, **schedule})
        try:
            printed = wait_for(process, "Stop with Ctrl-C")
            assert ("Loading 200,000 interactions" in printed) == first_time
            match = re.search(
                rf'curl "http://127\.0\.0\.1:{port}(/api/recommendations/(\S+)\?limit=5)"', printed
            )
            assert match is not None, printed
            status, answer = fetch(port, match[1])
            assert status == 200
            assert (answer["strategy"], answer["count"], answer["degraded"]) == ("hybrid", 5, [])
            users.append(match[2])
            assert postgres_processes(demo_folder)
            shown = re.search(r"export DB_HOST=(\S+) DB_USER=(\S+)", printed)
            assert shown is not None, printed
            with psycopg.connect(host=shown[1], user=shown[2], dbname="user_db"):
                pass
        finally:
            rest = stop(process, number)
        assert process.returncode == 0, printed + rest
        assert "Traceback" not in printed + rest
        assert not postgres_processes(demo_folder)
    assert users[0] == users[1]


def test_a_port_in_use_is_reported_before_the_start(port: int, demo_folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        printed = refusal(["app.py"], PORT=str(port), DEMO_PATH=str(demo_folder))
    assert f"cannot listen on 127.0.0.1:{port}" in printed
    assert not demo_folder.exists()


def test_a_demo_folder_that_cannot_be_used_is_named(port: int, tmp_path: Path) -> None:
    for folder, says in (
        (tmp_path / "with space", "contains a space"),
        (Path("/proc/x"), "cannot be written"),
    ):
        printed = refusal(["app.py"], PORT=str(port), DEMO_PATH=str(folder))
        assert says in printed
        assert "DEMO_PATH" in printed


def test_a_demo_folder_with_foreign_files_is_not_changed(port: int, demo_folder: Path) -> None:
    precious = demo_folder / "postgres" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("not a demo")
    printed = refusal(["app.py"], PORT=str(port), DEMO_PATH=str(demo_folder))
    assert "was not made by the demo; set DEMO_PATH" in printed
    assert precious.read_text() == "not a demo"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "no databases are configured: set DB_HOST"),
        ({"DB_HOST": "localhost", "POOL_SIZE": "many"}, "POOL_SIZE: "),
    ],
)
def test_gunicorn_with_a_missing_or_wrong_configuration_says_so_and_exits(
    variables: dict[str, str], says: str
) -> None:
    assert says in refusal(GUNICORN, **variables)


def test_gunicorn_does_not_start_with_a_broken_sql_overlay(port: int, tmp_path: Path) -> None:
    (tmp_path / "user_db").mkdir()
    (tmp_path / "user_db" / "fetch_nothing.sql").write_text("-- name: fetch_nothing()\nSELECT 1;")
    variables = {"DB_HOST": "localhost", "SQL_PATH": str(tmp_path), "PORT": str(port)}
    printed = refusal(GUNICORN, **variables)
    assert "fetch_nothing.sql: replaces no query of user_db" in printed
    assert "Traceback" not in printed


def test_gunicorn_serves_configured_databases(port: int, shared_databases: Urls) -> None:
    variables = {f"{name.upper()}_URL": url for name, url in shared_databases.items()}
    process = start(GUNICORN, {**variables, "PORT": str(port)})
    try:
        wait_for(process, "catalog index: ")
        assert fetch(port, "/health")[0] == 200
        status, answer = fetch(port, "/api/recommendations/11111111-1111-4111-8111-111111111111")
        assert (status, answer["strategy"]) == (200, "popular")
    finally:
        stop(process, signal.SIGTERM)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGKILL])
def test_serve_that_is_quit_or_killed_leaves_no_server(port: int, number: signal.Signals) -> None:
    process = start(["app.py"], {**NOWHERE, "PORT": str(port), "TRAINING_SCHEDULE": "never"})
    servers: list[psutil.Process] = []
    try:
        wait_for(process, "Stop with Ctrl-C")
        servers = psutil.Process(process.pid).children(recursive=True)
        assert servers
        process.send_signal(number)
        process.communicate(timeout=_STOP_S)
        _, alive = psutil.wait_procs(servers, _STOP_S)
        assert not alive
    finally:
        for server in servers:
            if server.is_running():
                server.kill()
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_while_the_server_starts_leaves_no_server(port: int, number: signal.Signals) -> None:
    process = start(["-c", _EARLY_SIGNAL, str(int(number))], {**NOWHERE, "PORT": str(port)})
    pid = int(wait_for(process, "server ").split()[-1])
    try:
        assert process.wait(_STOP_S) == 128 + signal.SIGTERM
        assert not psutil.pid_exists(pid)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=_STOP_S)
