"""Stopping, reloading, losing and replacing workers, and having more to do than there is time for."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from recommender.domain import DatabaseName
from tests.support.gunicorn import Answer, GunicornServer, running_gunicorn
from tests.support.postgres import Urls
from tests.support.reference import Reference

ENGAGEMENT = DatabaseName.ENGAGEMENT


@pytest.fixture(scope="module")
def path(shared_databases: Urls) -> str:
    return f"/api/recommendations/{Reference(shared_databases).users[0]}"


def wait_until(check: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def asked_all_the_time(server: GunicornServer, path: str) -> Iterator[list[Answer]]:
    """What two clients get meanwhile, who ask one request after the other; an error fails the test."""
    answers: list[Answer] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(server.get(path))

    with ThreadPoolExecutor(2) as threads:
        clients: list[Future[None]] = [threads.submit(ask) for _ in range(2)]
        try:
            yield answers
        finally:
            done.set()
    for client in clients:
        client.result()


@contextmanager
def engagement_locked(urls: Urls) -> Iterator[None]:
    with psycopg.connect(urls[ENGAGEMENT]) as connection:
        connection.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        yield


def test_asked_to_stop_it_finishes_what_is_in_flight(databases: Urls, path: str) -> None:
    with running_gunicorn(databases) as server, ThreadPoolExecutor(1) as threads:
        server.get(path)
        with engagement_locked(databases):
            in_flight = threads.submit(server.get, path)
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            answer = in_flight.result()
        assert (answer.status, answer.body["degraded"]) == (200, [ENGAGEMENT])
        assert server.process.wait(20) == 0
        with pytest.raises(ConnectionRefusedError):
            server.get(path)


def test_a_reload_replaces_every_worker_and_fails_no_request(shared_databases: Urls, path: str) -> None:
    with running_gunicorn(shared_databases) as server:
        wait_until(lambda: len(server.workers()) == 2)
        before = set(server.workers())
        with asked_all_the_time(server, path) as answers:
            time.sleep(0.5)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(server.workers()) == 2 and not before & set(server.workers()), 30)
            time.sleep(0.5)
        assert {answer.status for answer in answers} == {200}
        assert len(answers) > 20


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(shared_databases: Urls, path: str) -> None:
    with running_gunicorn(shared_databases) as server:
        wait_until(lambda: len(server.workers()) == 2)
        victim = next(iter(server.workers().values()))
        victim.kill()
        with asked_all_the_time(server, path) as answers:
            wait_until(lambda: len(server.workers()) == 2 and victim.pid not in server.workers())
            time.sleep(0.5)
        assert {answer.status for answer in answers} == {200}


def test_workers_are_recycled_after_so_many_requests(shared_databases: Urls, path: str) -> None:
    with running_gunicorn(shared_databases, MAX_REQUESTS="50") as server:
        wait_until(lambda: len(server.workers()) == 2)
        before = set(server.workers())
        with asked_all_the_time(server, path) as answers:
            wait_until(lambda: not before & set(server.workers()), 30)
        assert {answer.status for answer in answers} == {200}


def test_beyond_what_may_wait_requests_are_refused_at_once_and_monitors_are_not(
    databases: Urls, path: str
) -> None:
    with running_gunicorn(databases, WORKERS="1", THREADS="1", MAX_WAITING="2") as server:
        server.get(path)
        with ThreadPoolExecutor(20) as threads:
            with engagement_locked(databases):
                requests = [threads.submit(server.get, path) for _ in range(15)]
                time.sleep(0.2)
                health = server.get("/health")
                answers = [request.result() for request in requests]
            assert (health.status, health.seconds < 1.0) == (200, True)
        refused = [answer for answer in answers if answer.status == 503]
        assert {answer.status for answer in answers} == {200, 503}
        assert len(refused) >= 10
        for answer in refused:
            assert answer.body["code"] == "overloaded"
            assert answer.headers["retry-after"] == "1"
        assert sorted(answer.seconds for answer in refused)[len(refused) // 2] < 1.0
        wait_until(lambda: server.get(path).body.get("degraded") == [])
