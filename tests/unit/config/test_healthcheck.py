"""The health check of the image asks the service where its settings let it listen."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from config.healthcheck import address
from config.setting_types import ROOT
from config.settings import load_settings


class Service(ThreadingHTTPServer):
    """A server that answers `/health` with a status."""

    address_family = socket.AF_INET6

    def __init__(self) -> None:
        super().__init__(("::1", 0), Handler)
        self.status = 200


class Handler(BaseHTTPRequestHandler):
    """Answers as its server says."""

    def do_GET(self) -> None:
        """Answer."""
        assert isinstance(self.server, Service)
        self.send_response(self.server.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def check(**variables: str) -> int:
    command = [sys.executable, "-m", "config.healthcheck"]
    return subprocess.run(command, cwd=ROOT, env=variables, timeout=30, check=False).returncode  # noqa: S603 - ours


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({}, ("127.0.0.1", 5000)),
        ({"HOST": "", "PORT": ""}, ("127.0.0.1", 5000)),
        ({"HOST": "0.0.0.0", "PORT": "8000"}, ("127.0.0.1", 8000)),  # noqa: S104 - not bound
        ({"HOST": "::"}, ("::1", 5000)),
        ({"HOST": "[::]"}, ("::1", 5000)),
        ({"HOST": "10.1.2.3"}, ("10.1.2.3", 5000)),
    ],
)
def test_the_address_is_that_of_the_settings(variables: dict[str, str], asked: tuple[str, int]) -> None:
    assert address(variables) == asked
    assert load_settings(variables, dotenv_path=None).http.port == asked[1]


@pytest.mark.parametrize(("status", "unhealthy"), [(200, 0), (503, 1)])
def test_the_exit_status_says_whether_it_answers(service: Service, status: int, unhealthy: int) -> None:
    service.status = status
    assert check(HOST="[::1]", PORT=str(service.server_address[1])) == unhealthy


def test_no_service_is_unhealthy() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        assert check(PORT=str(listener.getsockname()[1])) == 1
