"""A worker that may not open more files keeps serving those connections that it has."""

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from config.setting_types import ROOT
from tests.support.gunicorn import GunicornServer, gunicorn_in, settings_alone
from tests.support.postgres import Urls
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are set as on Linux"),
]

REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


CONFIGURATION = """
import resource
from pathlib import Path

resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard} or resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
__file__ = "config/gunicorn.conf.py"
exec(compile(Path(__file__).read_text(), __file__, "exec"))
"""


@contextmanager
def one_worker(
    urls: Urls, folder: Path, soft: int, hard: int | None = None, **variables: str
) -> Iterator[GunicornServer]:
    """Start one worker under limits of open files; by default the hard one is that of the tests."""
    path = folder / "gunicorn.conf.py"
    path.write_text(CONFIGURATION.format(soft=soft, hard=hard))
    command = [sys.executable, "-m", "gunicorn", "-c", str(path), "wsgi:app"]
    with gunicorn_in(ROOT, urls, settings_alone(WORKERS="1", **variables), command=command) as server:
        yield server


def connected(server: GunicornServer, stack: ExitStack) -> socket.socket:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
    connection.sendall(REQUEST)
    return connection


def is_kept(connection: socket.socket) -> bool:
    """Receive an answer, and return whether the connection stays open afterwards."""
    answer = b""
    # The head and the body may arrive one after the other.
    while not answer.endswith(b"}"):
        received = connection.recv(65536)
        assert received, answer
        answer += received
    assert answer.startswith(b"HTTP/1.1 200")
    return b"Connection: close" not in answer


def test_more_idle_connections_than_files_end_no_worker(shared_databases: Urls, tmp_path: Path) -> None:
    with one_worker(shared_databases, tmp_path, 400, 400) as server, ExitStack() as stack:
        (before,) = server.workers()
        kept = [is_kept(connected(server, stack)) for _ in range(450)]
        assert 50 < sum(kept) < 400
        assert server.get("/ready").body["status"] == "ready"
        assert list(server.workers()) == [before]


def test_the_limit_of_open_files_is_raised_to_serve_every_request_that_may_wait(
    shared_databases: Urls, tmp_path: Path
) -> None:
    with one_worker(shared_databases, tmp_path, 300, MAX_WAITING="500") as server, ExitStack() as stack:
        (before,) = server.workers()
        assert all(is_kept(connected(server, stack)) for _ in range(400))
        assert list(server.workers()) == [before]


def test_a_worker_without_files_accepts_connections_again_once_it_has_some(
    shared_databases: Urls, tmp_path: Path
) -> None:
    with one_worker(shared_databases, tmp_path, 1024, 1024) as server, ExitStack() as stack:
        ((before, worker),) = server.workers().items()
        old = connected(server, stack)
        assert is_kept(old)
        allowed = resource.prlimit(before, resource.RLIMIT_NOFILE)
        resource.prlimit(before, resource.RLIMIT_NOFILE, (used_up_to(worker), allowed[1]))
        late = connected(server, stack)
        wait_until(lambda: any("No file can be opened" in line["message"] for line in server.logged()))
        old.sendall(REQUEST)
        assert is_kept(old), "connections that are open are served meanwhile"
        resource.prlimit(before, resource.RLIMIT_NOFILE, allowed)
        assert is_kept(late)
        assert list(server.workers()) == [before]


def used_up_to(process: psutil.Process) -> int:
    """Return a limit of open files that the process has reached."""
    numbers = {int(path.name) for path in Path(f"/proc/{process.pid}/fd").iterdir()}
    return min(set(range(len(numbers) + 1)) - numbers)
