"""The ways to start the service, of a new user and of a deployment."""

import http.client
import json
import os
import re
import select
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from config.database_settings import url_variables
from recommender.entities import DatabaseName
from recommender.training.forgetting import note_forgotten
from tests.support.forked import ForkedProcess, fork
from tests.support.gunicorn import without_numba
from tests.support.made_up import SMALL
from tests.support.postgres import Urls
from tests.support.processes import GUNICORN, environment, refusal
from tests.support.waiting import eventually

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
# `serve` with a smaller demo: test_demo.py loads one of the whole size.
_SMALL_DEMO = """
import sys

from recommender.cli.main import main
from recommender.demo import databases
from recommender.demo.generate import DEMO_SIZE, generate
from tests.support.made_up import SMALL

def generate_small(size, *others):
    assert size == DEMO_SIZE
    return generate(SMALL, *others)

databases.generate = generate_small
sys.exit(main(["serve"]))
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return variables for the new interpreter in which `serve` starts Gunicorn."""
    return without_numba(tmp_path_factory.mktemp("light"))


@contextmanager
def started(arguments: list[str], variables: Mapping[str, str]) -> Iterator[tuple[ForkedProcess, Path]]:
    """Start a program by a fork, and yield it and the file of its output. It is killed at the end."""
    with tempfile.TemporaryDirectory(prefix="marquee-serving-") as folder:
        out = Path(folder) / "out"
        process = fork(arguments, environment(**variables), out)
        try:
            yield process, out
        finally:
            process.kill()


def wait_for(process: ForkedProcess, out: Path, line: str) -> str:
    """Return the output of the process when it has a line."""
    assert eventually(lambda: line in out.read_text() or process.poll() is not None, _START_S), (
        f"it never said {line!r}:\n{out.read_text()}"
    )
    assert line in out.read_text(), f"the process ended before it said {line!r}:\n{out.read_text()}"
    return out.read_text()


def stop(process: ForkedProcess, number: signal.Signals) -> None:
    """Signal the whole process group, as a terminal does, and wait for its end."""
    os.killpg(process.pid, number)
    process.wait(_STOP_S)


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


def test_without_databases_the_demo_is_made_once_served_and_stopped(
    port: int, demo_folder: Path, light: dict[str, str]
) -> None:
    folders = {"DEMO_PATH": str(demo_folder), "MODEL_PATH": str(demo_folder.with_name("models"))}
    users = []
    for first_time, number in ((True, signal.SIGINT), (False, signal.SIGTERM)):
        # With the default settings it begins to train, which one test covers.
        schedule = {"TRAINING_SCHEDULE": ""} if first_time else {}
        variables = {"PORT": str(port), **folders, **light, **schedule}
        with started(["-c", _SMALL_DEMO], variables) as (process, out):
            try:
                printed = wait_for(process, out, "Stop with Ctrl-C")
                assert (f"Loading {SMALL.interactions:,} interactions" in printed) == first_time
                users.append(assert_it_serves_the_demo(printed, port, demo_folder))
            finally:
                stop(process, number)
            assert process.returncode == 0, out.read_text()
            assert "Traceback" not in out.read_text()
        assert not postgres_processes(demo_folder)
    assert users[0] == users[1]


def assert_it_serves_the_demo(printed: str, port: int, demo_folder: Path) -> str:
    """Send the request and open the database that were printed. Return the user."""
    match = re.search(rf'curl "http://127\.0\.0\.1:{port}(/api/recommendations/(\S+)\?limit=5)"', printed)
    assert match is not None, printed
    status, answer = fetch(port, match[1])
    assert status == 200
    assert (answer["strategy"], answer["count"], answer["degraded"]) == ("hybrid", 5, [])
    assert postgres_processes(demo_folder)
    shown = re.search(r"export DB_HOST=(\S+) DB_USER=(\S+)", printed)
    assert shown is not None, printed
    with psycopg.connect(host=shown[1], user=shown[2], dbname="user_db"):
        pass
    return match[2]


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
    with started(GUNICORN, {**variables, "PORT": str(port)}) as (process, out):
        try:
            wait_for(process, out, "catalog index: ")
            assert fetch(port, "/health")[0] == 200
            status, answer = fetch(port, "/api/recommendations/11111111-1111-4111-8111-111111111111")
            assert (status, answer["strategy"]) == (200, "popular")
        finally:
            stop(process, signal.SIGTERM)
        assert process.returncode == 0


def test_serve_prints_no_user_of_own_databases_into_a_log(
    port: int, shared_databases: Urls, light: dict[str, str]
) -> None:
    variables = {**url_variables(shared_databases), **light, "PORT": str(port)}
    with started(["app.py"], variables) as (process, out):
        try:
            printed = wait_for(process, out, "Stop with Ctrl-C")
        finally:
            stop(process, signal.SIGTERM)
    assert f"Marquee serves at http://127.0.0.1:{port}" in printed
    with psycopg.connect(shared_databases[DatabaseName.ENGAGEMENT]) as connection:
        users = connection.execute("SELECT DISTINCT user_id::text FROM interaction").fetchall()
    assert users
    assert not [user for (user,) in users if user in printed]


def test_serve_on_a_terminal_prints_a_user_who_is_not_forgotten(
    port: int,
    shared_databases: Urls,
    light: dict[str, str],
    tmp_path: Path,
) -> None:
    terminal, other_end = os.openpty()
    variables = {**url_variables(shared_databases), **light, "PORT": str(port), "MODEL_PATH": str(tmp_path)}
    users = []
    with os.fdopen(terminal, "rb"), os.fdopen(other_end, "rb"):
        for _ in range(2):
            process = fork(["app.py"], environment(**variables), Path(os.ttyname(other_end)))
            try:
                printed = read_until(terminal, "Stop with Ctrl-C")
            finally:
                stop(process, signal.SIGTERM)
            match = re.search(r"A user to try: +(\S+)", printed)
            assert match is not None, printed
            users.append(match[1])
            note_forgotten(tmp_path, users)
    assert users[0] != users[1]


def read_until(terminal: int, line: str) -> str:
    """Return what was printed until a line, which must come in time."""
    printed = ""
    while line not in printed:
        assert select.select([terminal], [], [], _START_S)[0], printed
        printed += os.read(terminal, 4_096).decode(errors="replace")
    return printed


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGKILL])
def test_serve_that_is_quit_or_killed_leaves_no_server(
    port: int, number: signal.Signals, light: dict[str, str]
) -> None:
    servers: list[psutil.Process] = []
    with started(["app.py"], {**NOWHERE, **light, "PORT": str(port)}) as (process, out):
        try:
            wait_for(process, out, "Stop with Ctrl-C")
            servers = psutil.Process(process.pid).children(recursive=True)
            assert servers
            process.send_signal(number)
            process.wait(_STOP_S)
            _, alive = psutil.wait_procs(servers, _STOP_S)
            assert not alive
        finally:
            for server in servers:
                if server.is_running():
                    server.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_while_the_server_starts_leaves_no_server(port: int, number: signal.Signals) -> None:
    arguments = ["-c", _EARLY_SIGNAL, str(int(number))]
    with started(arguments, {**NOWHERE, "PORT": str(port)}) as (process, out):
        pid = int(wait_for(process, out, "\n").split()[1])
        try:
            assert process.wait(_STOP_S) == 128 + signal.SIGTERM
            assert not psutil.pid_exists(pid)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
