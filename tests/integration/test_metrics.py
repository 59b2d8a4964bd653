"""GET /metrics with two real workers: each reports for both."""

import http.client
import itertools
import os
import re
import signal
import threading
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest
from flask.testing import FlaskClient
from prometheus_client import values
from werkzeug.exceptions import default_exceptions

from app import create_app
from recommender.api.metrics_memory import CountsMemory
from recommender.entities import DatabaseName, Strategy
from recommender.observability.telemetry import Tally
from tests.support.clients import NO_CAPS, get, post_batch, running_client, settings_for
from tests.support.gunicorn import GunicornServer, running_gunicorn, sum_of
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference
from tests.support.training import train_on
from tests.support.waiting import eventually

USER, CATALOG, ENGAGEMENT = DatabaseName
UNKNOWN_USER = "11111111-1111-4111-8111-111111111111"
REQUESTS = "marquee_request_duration_seconds_count"
GET_RULE = "/api/recommendations/<user_id>"
BATCH = "/api/recommendations/batch"
STAGES = ("user_db", "catalog_db", "engagement_db", "scoring", "json")


def value(client: FlaskClient, name: str, **labels: str) -> float:
    return sum_of(client.get("/metrics").text, name, labels)


def are_replaced(server: GunicornServer, before: set[int]) -> bool:
    workers = server.workers()
    return len(workers) == 2 and not before & workers.keys()


def are_all_ready(server: GunicornServer, gone: set[int]) -> bool:
    """Return whether two workers are ready, and none of them is one of `gone`."""
    if gone & server.workers().keys():
        return False
    return server.value("marquee_workers", {"status": "ready"}) == 2


def ask_in_vain(server: GunicornServer, path: str) -> None:
    """Ask a worker that is killed before it answers."""
    with suppress(http.client.HTTPException, ConnectionError):
        server.ask(path)


def test_requests_to_both_workers_are_counted_whichever_is_asked(
    service: GunicornServer, reference: Reference
) -> None:
    before = {
        stage: service.value("marquee_stage_duration_seconds_count", {"stage": stage}) for stage in STAGES
    }
    labels = {"endpoint": GET_RULE, "status": "200"}
    requests = service.value(REQUESTS, labels)
    for user in reference.users[:60]:
        assert service.ask(f"/api/recommendations/{user}").status == 200
    assert len({line["process"] for line in service.logged(endpoint=GET_RULE)}) == 2
    for _ in range(10):
        text = service.ask("/metrics").body.decode()
        assert sum_of(text, REQUESTS, labels) == requests + 60
        for stage in STAGES:
            count = sum_of(text, "marquee_stage_duration_seconds_count", {"stage": stage})
            assert count == before[stage] + 60, stage
    asked = {line["process"] for line in service.logged(endpoint="/metrics")}
    assert len(asked) == 2
    spent = sum_of(text, "marquee_stage_duration_seconds_sum", {})
    assert 0 < spent < sum_of(text, "marquee_request_duration_seconds_sum", {})


def test_endpoints_are_rules_and_no_id_or_path_becomes_a_label(service: GunicornServer) -> None:
    service.ask(f"/api/recommendations/{UNKNOWN_USER}?limit=3")
    service.ask("/api/recommendations/not-an-id")
    service.ask("/secret/path")
    service.ask(f"/api/recommendations/{UNKNOWN_USER}", method="DELETE")
    text = service.ask("/metrics").body.decode()
    assert "secret" not in text
    assert "not-an-id" not in text
    assert UNKNOWN_USER not in text
    rules = {
        rule.rule
        for rule in create_app(
            settings_for(dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere"))
        ).url_map.iter_rules()
    }
    assert set(re.findall(r'endpoint="([^"]*)"', text)) <= {*rules, "none"}
    for endpoint, status in ((GET_RULE, "400"), ("none", "404"), ("none", "405")):
        assert sum_of(text, REQUESTS, {"endpoint": endpoint, "status": status}) >= 1


def test_answers_are_counted_by_strategy_and_model(service: GunicornServer, reference: Reference) -> None:
    def answers(strategy: str) -> float:
        return service.value("marquee_answers_total", {"strategy": strategy, "model": "live"})

    strategies = ("hybrid", "content", "collaborative", "popular")
    before = {strategy: answers(strategy) for strategy in strategies}
    results = (
        service.ask(BATCH, body={"user_ids": [*reference.users[:80], UNKNOWN_USER]}).body["results"].values()
    )
    for strategy in strategies:
        given = sum(result["strategy"] == strategy for result in results)
        assert given > 0
        before[strategy] += given
    # A large answer is counted just after its last byte was sent.
    assert eventually(lambda: {strategy: answers(strategy) for strategy in strategies} == before)


def test_a_stream_counts_when_it_has_ended_with_all_its_users(
    service: GunicornServer, reference: Reference
) -> None:
    before = service.value("marquee_answers_total")
    body = {"user_ids": reference.users}
    answer = service.ask(BATCH, {"Accept": "application/x-ndjson"}, body)
    assert len(answer.body.splitlines()) == len(reference.users)
    assert eventually(lambda: service.value("marquee_answers_total") == before + len(reference.users))


def test_both_workers_report_databases_index_and_model(service: GunicornServer, reference: Reference) -> None:
    text = service.ask("/metrics").body.decode()
    assert sum_of(text, "marquee_workers", {"status": "ready"}) == 2
    for name in DatabaseName:
        assert sum_of(text, "marquee_database_state", {"database": name, "state": "up"}) == 2
        assert sum_of(text, "marquee_database_state", {"database": name}) == 2
        pool = {"database": name, "pool": "requests"}
        assert sum_of(text, "marquee_pool_max_size", pool) == 20
        assert 0 < sum_of(text, "marquee_pool_size", pool) <= 20
    assert sum_of(text, "marquee_catalogue_index_media", {}) == len(reference.catalog)
    assert 0 < sum_of(text, "marquee_catalogue_index_age_seconds", {}) < 400
    assert sum_of(text, "marquee_model_info", {"model": "live", "version": ""}) == 2


def test_the_counts_of_a_killed_worker_stay_and_its_gauges_do_not(shared_databases: Urls) -> None:
    with running_gunicorn(shared_databases) as server:
        labels = {"endpoint": "/health", "status": "200"}
        wanted = server.value(REQUESTS, labels) + 20
        for _ in range(20):
            server.ask("/health")
        (first, second) = server.workers().values()
        os.kill(first.pid, signal.SIGKILL)
        assert eventually(lambda: first.pid not in server.workers())
        assert eventually(lambda: server.value("marquee_workers", {"status": "ready"}) == 2, 30)
        assert len(server.workers()) == 2
        assert second.pid in server.workers()
        assert server.value("marquee_workers") == 2
        assert server.value(REQUESTS, labels) == wanted


def test_counts_of_replaced_workers_stay(shared_databases: Urls) -> None:
    with running_gunicorn(shared_databases) as server:
        labels = {"endpoint": "/health", "status": "200"}
        # Some were asked for until it was up.
        wanted = server.value(REQUESTS, labels)
        assert wanted > 0
        for _ in range(3):
            wanted += 10
            for _ in range(10):
                server.ask("/health")
            before = server.workers()
            for worker in before.values():
                worker.kill()
            assert eventually(partial(are_replaced, server, set(before)), 30)
            assert eventually(lambda: server.value("marquee_workers", {"status": "ready"}) == 2, 30)
            assert server.value("marquee_workers") == 2
            assert server.value(REQUESTS, labels) == wanted


def test_killed_workers_and_their_requests_are_counted_and_replaced_ones_are_not(databases: Urls) -> None:
    variables = {"STATEMENT_TIMEOUT_MS": "20000", "TIME_BUDGET_MS": "40000"}
    with running_gunicorn(databases, **variables) as server:
        first = next(iter(server.workers().values()))
        first.terminate()
        assert eventually(lambda: are_all_ready(server, {first.pid}), 30)
        assert server.value("marquee_workers_wanted") == 2
        assert server.value("marquee_workers_lost_total") == 0
        with psycopg.connect(databases[USER]) as connection:
            connection.execute("LOCK TABLE tb_user_genre IN ACCESS EXCLUSIVE MODE")
            path = f"/api/recommendations/{UNKNOWN_USER}"
            threads = [threading.Thread(target=ask_in_vain, args=(server, path)) for _ in range(4)]
            for thread in threads:
                thread.start()
            # The request for /metrics is in flight, too.
            assert eventually(lambda: server.value("marquee_requests_in_flight") == 5)
            before = server.workers()
            for worker in before.values():
                worker.kill()
            for thread in threads:
                thread.join()
        assert eventually(lambda: are_all_ready(server, set(before)), 30)
        assert server.value("marquee_workers_lost_total") == 2
        assert server.value("marquee_requests_lost_total") == 4
        server.process.send_signal(signal.SIGTTIN)
        assert eventually(lambda: server.value("marquee_workers", {"status": "ready"}) == 3, 30)
        assert server.value("marquee_workers_wanted") == 3


def test_server_errors_of_the_api_are_opened_at_0(service: GunicornServer) -> None:
    """rate() misses the first event of a series that begins at 1."""
    text = service.ask("/metrics").body.decode()
    for endpoint, status in itertools.product((GET_RULE, BATCH), ("500", "503")):
        assert f'{REQUESTS}{{endpoint="{endpoint}",status="{status}"}} 0.0' in text


def test_every_series_that_requests_may_open_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rules with all statuses of Flask and the service, and all other counts."""
    # Sharing changes it for the whole process.
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    app = create_app(settings_for(dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere")))
    metrics = app.extensions["metrics"]
    rules = {*(rule.rule for rule in app.url_map.iter_rules()), "none"}
    statuses = {200, 201, 204, 206, 301, 302, 304, 307, 308, *default_exceptions}
    with closing(CountsMemory(1)) as memory:
        metrics.share(memory)
        for model in ("live", "neighbours"):
            models = {(strategy, model): 1 for strategy in Strategy}
            tally = Tally({}, dict.fromkeys(DatabaseName, 1), 1, 1, models=models)
            metrics.answered(tally)
        for rule, status in itertools.product(rules, statuses):
            metrics.request_begins()
            metrics.request_ends(rule, status, 0.1, dict.fromkeys(STAGES, 0.1))
        # Parsing the buckets would take ten seconds.
        text = "\n".join(line for line in metrics.render().decode().splitlines() if "_bucket{" not in line)
    requests = len(rules) * len(statuses)
    assert sum_of(text, REQUESTS, {}) == requests
    for stage in STAGES:
        assert sum_of(text, "marquee_stage_duration_seconds_count", {"stage": stage}) == requests
    assert sum_of(text, "marquee_answers_total", {}) == 2 * len(Strategy)
    assert sum_of(text, "marquee_pool_wait_seconds_total", {}) == 0
    assert 'marquee_pool_timeouts_total{database="user_db",pool="requests"}' in text


def test_requests_in_flight_and_waiting_for_a_connection_are_seen_from_outside(databases: Urls) -> None:
    variables = {
        "POOL_SIZE": "1",
        "THREADS": "8",
        "POOL_TIMEOUT_MS": "20000",
        "STATEMENT_TIMEOUT_MS": "20000",
        "TIME_BUDGET_MS": "40000",
    }
    with running_gunicorn(databases, **variables) as server:
        path = f"/api/recommendations/{UNKNOWN_USER}"
        pool = {"database": "user_db", "pool": "requests"}
        with psycopg.connect(databases[USER]) as connection:
            connection.execute("LOCK TABLE tb_user_genre IN ACCESS EXCLUSIVE MODE")
            threads = [threading.Thread(target=server.ask, args=(path,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            # The request for /metrics is in flight, too.
            assert eventually(lambda: server.value("marquee_requests_in_flight") == 9)
            assert eventually(
                lambda: (
                    server.value("marquee_pool_waiting", pool) + server.value("marquee_pool_in_use", pool)
                    == 8
                )
            )
            assert server.value("marquee_pool_waiting", pool) >= 6
            time.sleep(0.5)
            connection.rollback()
        for thread in threads:
            thread.join()
        assert eventually(lambda: server.value("marquee_requests_in_flight") == 1)
        assert eventually(lambda: server.value("marquee_pool_wait_seconds_total", pool) > 1)
        assert server.value("marquee_pool_waiting", pool) == 0


def test_an_outage_shows_and_ends(databases: Urls, outage: Outage) -> None:
    with running_gunicorn(databases, TIME_BUDGET_MS="5000") as server:
        down = {"database": "engagement_db", "state": "down"}
        path = f"/api/recommendations/{UNKNOWN_USER}"
        assert server.value("marquee_degraded_answers_total") == 0
        outage.stop(ENGAGEMENT)
        for _ in range(4):
            assert server.ask(path).status == 200
        text = server.ask("/metrics").body.decode()
        assert sum_of(text, "marquee_degraded_answers_total", {"database": "engagement_db"}) == 4
        assert sum_of(text, "marquee_degraded_answers_total", {}) == 4
        assert eventually(lambda: server.value("marquee_database_state", down) == 2)
        pool = {"database": "engagement_db", "pool": "requests"}
        errors = server.value("marquee_pool_connection_errors_total", pool)
        assert errors > 0
        # Probes go on while no request tries to connect.
        name = "marquee_pool_connection_errors_total"
        assert eventually(lambda: server.value(name, pool) >= errors + 12, 30)
        assert server.value("marquee_workers", {"status": "degraded"}) == 2
        outage.start(ENGAGEMENT)
        assert eventually(lambda: server.value("marquee_database_state", down) == 0)
        assert eventually(lambda: server.value("marquee_workers", {"status": "ready"}) == 2)


def test_items_that_fill_up_pages_and_empty_first_pages_are_counted(databases: Urls, outage: Outage) -> None:
    user = "44444444-4444-4444-8444-444444444444"
    with psycopg.connect(databases[USER]) as connection:
        connection.execute("INSERT INTO user_preferences VALUES (gen_random_uuid(), %s)", (user,))
        connection.execute("INSERT INTO tb_user_genre VALUES (%s, 'western')", (user,))
    with running_client(databases, **NO_CAPS) as client:
        page = get(client, user, limit=100)["recommendations"]
        filled = sum(item["recommendation_score"] == 0 for item in page)
        assert 0 < filled < 100
        assert value(client, "marquee_filled_up_items_total") == filled
        get(client, user, offset=1_000_000)
        assert value(client, "marquee_empty_answers_total") == 0, "past the end is no empty answer"
        shown = [item["id"] for item in page]
        with psycopg.connect(databases[ENGAGEMENT]) as connection:
            connection.cursor().executemany(
                "INSERT INTO interaction VALUES (%s, %s, %s, 'WATCH', 1.0, NULL)",
                [(10_000_000 + number, user, item_id) for number, item_id in enumerate(shown)],
            )
        outage.stop(CATALOG)
        assert post_batch(client, [user])["results"][user]["count"] == 0
        assert value(client, "marquee_empty_answers_total") == 1


def test_the_model_and_its_age_are_reported(
    databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = train_on(databases, tmp_path, monkeypatch)
    with running_gunicorn(databases, MODEL_PATH=str(tmp_path)) as server:
        trained = {"model": "neighbours", "version": version}
        # In a new checkout each worker first compiles the kernels.
        assert eventually(lambda: server.value("marquee_model_info", trained) == 2, 120)
        assert server.value("marquee_model_info") == 2
        assert 0 < server.value("marquee_model_age_seconds") < 120
        server.ask(f"/api/recommendations/{UNKNOWN_USER}")
        assert server.value("marquee_answers_total", {"model": "neighbours"}) == 1


def test_the_answer_is_prometheus_text_with_help_for_each_metric(service: GunicornServer) -> None:
    answer = service.ask("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.body.decode()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert names == {line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")}
    assert names
    assert all(name.startswith("marquee_") for name in names)
    assert "pid=" not in text
