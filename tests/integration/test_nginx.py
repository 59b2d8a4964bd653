"""The service behind nginx, configured by the lines in docs/how-to/deploy.md."""

import contextlib
import socket

import pytest

from tests.support.gunicorn import running_gunicorn
from tests.support.nginx import behind_nginx
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

# Without a key, so that /metrics shows how many workers are ready.
PROXIED = {"TRUSTED_PROXIES": "1", "ALLOW_ANONYMOUS": "true"}
BATCH = "/api/recommendations/batch"


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
