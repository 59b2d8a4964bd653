"""A service requires API keys, warns that there are none, or does not start."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.access_settings import KeyScope
from config.setting_types import ROOT
from recommender.auth_keys import make_key
from tests.support.forked import fork
from tests.support.gunicorn import GunicornServer, running_gunicorn, without_numba
from tests.support.postgres import Urls
from tests.support.processes import GUNICORN, environment, free_port, refusal
from tests.support.redis import RedisServer, redis_binary
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

_PATIENCE_S = 30.0
BODY = '{"user_ids": ["11111111-1111-4111-8111-111111111111"]}'
KEY, ENTRY = make_key("caller", [KeyScope.READ])
ANYWHERE = "0.0.0.0"  # noqa: S104 - refused


def test_without_keys_gunicorn_warns_once_that_it_is_open(service: GunicornServer) -> None:
    assert len(service.workers()) == 2
    printed = service.log.read_text().splitlines()
    (line,) = [line for line in printed if "NO API KEYS ARE SET" in line]
    assert "WARNING" in line
    assert f"127.0.0.1:{service.port}" in line


def test_with_keys_gunicorn_requires_a_key(shared_databases: Urls) -> None:
    with running_gunicorn(shared_databases, API_KEYS=ENTRY.entry, WORKERS="1") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_PATIENCE_S)
        for given, status in (({}, 401), ({"Authorization": f"Bearer {KEY}"}, 200)):
            # One connection for all: a body that is refused unread does not corrupt the next request.
            for _ in range(2):
                headers = {"Content-Type": "application/json", **given}
                connection.request("POST", "/api/recommendations/batch", BODY, headers)
                response = connection.getresponse()
                response.read()
                assert response.status == status
        connection.close()
        printed = server.log.read_text()
    assert "NO API KEYS" not in printed
    assert KEY not in printed


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    server = RedisServer(redis_binary(), tmp_path)
    server.start()
    yield server.url
    server.stop()


def test_workers_of_one_gunicorn_count_together_in_redis(shared_databases: Urls, redis_url: str) -> None:
    variables = {"RATE_LIMIT": "10/hour", "RATE_LIMIT_STORAGE": redis_url, "WORKERS": "2"}
    with running_gunicorn(shared_databases, **variables) as server:
        statuses = [server.get("/nothing").status for _ in range(14)]
    assert statuses == [404] * 10 + [429] * 4


@pytest.mark.parametrize("command", [GUNICORN, ["app.py"]], ids=["gunicorn", "serve"])
def test_the_service_does_not_start_open_to_other_hosts(command: list[str], tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    said = refusal(command, HOST=ANYWHERE, DB_HOST="localhost", DEMO_PATH=str(demo))
    assert "HOST: 0.0.0.0 can be reached from elsewhere, and API_KEYS is empty" in said
    assert not demo.exists()


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["-b", f"{ANYWHERE}:0"], {}),
        ([], {"GUNICORN_CMD_ARGS": f"--bind={ANYWHERE}:0"}),
        (["-b", "127.0.0.1:0", "-b", f"{ANYWHERE}:0", "--reuse-port"], {}),
    ],
    ids=["argument", "variable", "second-address"],
)
def test_an_address_given_to_gunicorn_needs_keys_too(arguments: list[str], variables: dict[str, str]) -> None:
    said = refusal([*GUNICORN, *arguments], DB_HOST="localhost", **variables)
    assert "bind: 0.0.0.0 can be reached from elsewhere, and API_KEYS is empty" in said


@pytest.mark.parametrize(
    "arguments",
    [["--certfile", "c.pem", "--keyfile", "k.pem"], ["--keyfile", "k.pem"], ["--protocol", "uwsgi"]],
    ids=["TLS", "a key alone", "uwsgi"],
)
def test_a_protocol_that_the_service_does_not_speak_stops_the_start(
    arguments: list[str], tmp_path: Path
) -> None:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).touch()
    given = [str(tmp_path / name) if name.endswith(".pem") else name for name in arguments]
    said = refusal([*GUNICORN, *given], DB_HOST="localhost")
    assert "Marquee cannot start.\nGunicorn's certfile, keyfile and protocol cannot be set" in said
    assert "Traceback" not in said


def test_an_inherited_socket_that_others_reach_needs_keys_too(tmp_path: Path) -> None:
    with socket.create_server((ANYWHERE, 0)) as listener:
        os.set_inheritable(listener.fileno(), True)  # noqa: FBT003 - the only form
        result = subprocess.run(  # noqa: S603 - Gunicorn
            [sys.executable, *GUNICORN, "-b", f"fd://{listener.fileno()}"],
            cwd=ROOT,
            env=environment(DB_HOST="localhost", **without_numba(tmp_path)),
            pass_fds=[listener.fileno()],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    assert result.returncode == 1
    assert "bind: 0.0.0.0 can be reached from elsewhere, and API_KEYS is empty" in result.stderr


def test_the_curl_line_of_serve_has_a_place_for_the_key(shared_databases: Urls, tmp_path: Path) -> None:
    log = tmp_path / "log"
    databases = {f"{name.upper()}_URL": url for name, url in shared_databases.items()}
    variables = {**databases, **without_numba(tmp_path), "PORT": str(free_port()), "API_KEYS": ENTRY.entry}
    process = fork(["app.py"], environment(**variables), log)
    try:
        assert eventually(lambda: "Stop with Ctrl-C" in log.read_text(), _PATIENCE_S)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(_PATIENCE_S)
    assert 'curl -H "Authorization: Bearer $KEY" "http://127.0.0.1:' in log.read_text()


def test_the_compose_file_serves_without_keys_to_this_host_alone() -> None:
    compose = (ROOT / "compose.yaml").read_text()
    assert 'ALLOW_ANONYMOUS: "true"' in compose
    published = re.findall(r'^ +- "([\d.:]+)"$', compose, re.MULTILINE)
    assert published == ["127.0.0.1:5000:5000"]
    # A page whose host name leads to this host could read all answers otherwise.
    assert "ALLOWED_HOSTS: localhost,127.0.0.1,marquee\n" in compose


def test_the_compose_file_stops_later_than_the_workers() -> None:
    compose = (ROOT / "compose.yaml").read_text()
    workers = re.findall(
        r"^graceful_timeout = (\d+)$", (ROOT / "config/gunicorn.conf.py").read_text(), re.MULTILINE
    )
    given = re.findall(r"^ +stop_grace_period: (\d+)s$", compose, re.MULTILINE)
    assert len(workers) == len(given) == 1
    assert int(given[0]) > int(workers[0])


def test_the_image_sets_neither_keys_nor_anonymous_access() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "HOST=0.0.0.0" in dockerfile
    assert "API_KEYS=" not in dockerfile
    assert not [line for line in dockerfile.splitlines() if "ALLOW_ANONYMOUS" in line and line[0] != "#"]
