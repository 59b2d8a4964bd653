"""The log of Gunicorn's workers: one JSON object per line, one line per request, few lines in an outage."""

import json
import re
import shlex
import sys
from pathlib import Path

import psycopg

from config.setting_types import ROOT
from recommender.entities import DatabaseName
from tests.support.gunicorn import GunicornServer, gunicorn_in, running_gunicorn, settings_alone
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually

USER, CATALOG, ENGAGEMENT = DatabaseName
UNKNOWN_USER = "11111111-1111-4111-8111-111111111111"
PATH = f"/api/recommendations/{UNKNOWN_USER}"


def test_every_line_from_the_first_is_an_object_with_time_level_and_logger(service: GunicornServer) -> None:
    service.ask("/health")
    lines = service.logged()
    assert {line["logger"] for line in lines} >= {"gunicorn.error", "marquee.access"}
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", line["time"])
        assert line["level"] in ("INFO", "WARNING")
        assert line["message"]


def test_a_request_is_one_line_and_has_its_id_everywhere(service: GunicornServer) -> None:
    answer = service.ask(f"{PATH}?limit=2", {"X-Request-ID": "this-one"})
    assert answer.headers["X-Request-ID"] == "this-one"
    (line,) = service.logged(request_id="this-one")
    assert (line["method"], line["path"], line["status"], line["users"]) == ("GET", PATH, 200, 1)
    assert (line["strategies"], line["degraded"], line["model"]) == ({"popular": 1}, [], "live")
    assert line["statements"] > 0
    assert 0 < line["statements_ms"] < line["duration_ms"]


def test_an_id_that_would_break_the_log_is_replaced(service: GunicornServer) -> None:
    answer = service.ask("/health", {"X-Request-ID": 'x" "level": "FATAL'})
    made = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert len(service.logged(request_id=made)) == 1


def test_a_stream_is_one_line(service: GunicornServer, reference: Reference) -> None:
    headers = {"Accept": "application/x-ndjson", "X-Request-ID": "a-stream"}
    service.ask("/api/recommendations/batch", headers, {"user_ids": reference.users})
    assert eventually(lambda: len(service.logged(request_id="a-stream")) == 1)
    (line,) = service.logged(request_id="a-stream")
    assert line["users"] == len(reference.users) == sum(line["strategies"].values())


def test_a_fault_logs_a_traceback_and_the_request_with_one_id(shared_databases: Urls, tmp_path: Path) -> None:
    (tmp_path / "user_db").mkdir()
    (tmp_path / "user_db" / "fetch_genre_preferences.sql").write_text(
        "-- name: fetch_genre_preferences(user_ids)\nSELECT 1, 2, 3 WHERE :user_ids::text[] IS NOT NULL;\n"
    )
    with running_gunicorn(shared_databases, SQL_PATH=str(tmp_path)) as server:
        assert server.ask(PATH, {"X-Request-ID": "faulty"}).status == 500
        trace, request = server.logged(request_id="faulty")
    assert trace["level"] == "ERROR"
    assert trace["exception"].startswith("Traceback")
    assert "ValueError" in trace["exception"]
    assert (request["status"], request["level"]) == (500, "WARNING")


def test_an_outage_logs_one_line_in_five_seconds_per_worker_and_database(
    databases: Urls,
) -> None:
    """A missing column fails at once, so its statement runs for every request, without a breaker."""
    with running_gunicorn(databases) as server:
        with psycopg.connect(databases[ENGAGEMENT]) as connection:
            connection.execute("ALTER TABLE interaction RENAME COLUMN type TO kind")
        for number in range(12):
            server.ask(PATH, {"X-Request-ID": f"r-{number}"})
        assert len(server.logged(status=200, path=PATH)) == 12
        failures = server.logged(logger="recommender.databases.database")
        assert 1 <= len(failures) <= 2 * 2
        assert all(line["request_id"].startswith("r-") for line in failures)

        def told() -> bool:
            server.ask(PATH)
            return any("dropped" in line for line in server.logged(logger="recommender.databases.database"))

        assert eventually(told, 20)


def test_no_password_is_in_the_log_even_at_debug(databases: Urls) -> None:
    urls = {name: url.replace("postgres@", "postgres:hunter2@") for name, url in databases.items()}
    with running_gunicorn(urls, LOG_LEVEL="DEBUG") as server:
        server.ask(f"{PATH}?token=hunter2")
        server.ask("/nowhere?token=hunter2", {"Authorization": "Bearer hunter2"})
        assert "hunter2" not in server.log.read_text()


def test_the_configured_level_and_format_apply(databases: Urls) -> None:
    with running_gunicorn(databases, LOG_FORMAT="plain", LOG_LEVEL="info") as server:
        server.ask(PATH, {"X-Request-ID": "plainly"})
        (line,) = [line for line in server.log.read_text().splitlines() if line.endswith("[plainly]")]
        assert re.search(rf"INFO .* marquee\.access: GET {PATH} 200 in [\d.]+ ms \[plainly\]$", line)
    with running_gunicorn(databases, LOG_LEVEL="WARNING") as server:
        server.ask(PATH)
        # Gunicorn warns that no keys are set.
        assert {line["logger"] for line in server.logged()} == {"gunicorn.error"}


def test_lines_of_two_workers_are_not_mixed(service: GunicornServer) -> None:
    before = len(service.log.read_text().splitlines())
    for _ in range(50):
        service.ask("/health")
    lines = service.log.read_text().splitlines()[before:]
    assert sum(json.loads(line).get("endpoint") == "/health" for line in lines) == 50


def test_a_full_pipe_of_the_log_blocks_neither_requests_nor_the_stop(shared_databases: Urls) -> None:
    gunicorn = shlex.join((sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"))
    # The pipe has room for some hundred lines.
    command = ("bash", "-c", f"exec {gunicorn} 2> >(exec sleep 60)")
    with gunicorn_in(ROOT, shared_databases, settings_alone(WORKERS="1"), command=command) as server:
        for _ in range(300):
            assert server.get("/health").status == 200
        assert server.stop() == 0
