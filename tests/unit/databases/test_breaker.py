"""The breaker opens only if a probe finds the database down, and closes when it answers again."""

import math
import threading
import time
from collections.abc import Iterator

import pytest

from recommender.databases.breaker import Breaker
from recommender.entities import DatabaseName
from tests.support.waiting import eventually, wait_until


def _never() -> float:
    return -math.inf


class Probed:
    """A breaker whose probe returns `answers`, and counts its calls."""

    def __init__(self) -> None:
        self.answers = True
        self.probes = 0
        self.asked = threading.Event()
        self.events: list[str] = []
        self.breaker = Breaker(
            DatabaseName.CATALOG,
            self._probe,
            patience_s=lambda: 1.0,
            answered_at=_never,
            on_close=lambda: self.events.append("close"),
        )

    def _probe(self) -> bool:
        self.probes += 1
        self.asked.set()
        return self.answers


@pytest.fixture
def probed() -> Iterator[Probed]:
    probed = Probed()
    probed.breaker.start()
    yield probed
    probed.breaker.stop()


def test_without_a_suspicion_nothing_is_probed(probed: Probed) -> None:
    assert probed.breaker.closed
    assert not probed.asked.wait(0.1)


def test_a_failed_request_does_not_open_it_while_the_database_answers(probed: Probed) -> None:
    probed.breaker.suspect()
    assert probed.asked.wait(5)
    wait_until(lambda: probed.breaker.closed)
    assert probed.events == []


def test_a_database_that_is_down_is_not_used_until_it_answers(probed: Probed) -> None:
    probed.answers = False
    probed.breaker.suspect()
    wait_until(lambda: not probed.breaker.closed)
    probed.answers = True
    wait_until(lambda: probed.events == ["close"])
    assert probed.breaker.closed


def test_many_suspicions_cause_one_probe(probed: Probed) -> None:
    for _ in range(50):
        probed.breaker.suspect()
    wait_until(lambda: probed.probes >= 1)
    assert probed.probes <= 2


def test_a_hanging_probe_does_not_delay_requests_for_long() -> None:
    over = threading.Event()
    breaker = Breaker(
        DatabaseName.USER,
        lambda: over.wait(10),
        patience_s=lambda: 0.05,
        answered_at=_never,
        on_close=lambda: None,
    )
    breaker.start()

    def is_open_though_requests_fail() -> bool:
        breaker.suspect()
        return not breaker.closed

    try:
        breaker.suspect()
        assert breaker.closed
        # Long before the probe ends; suspicions that follow do not prolong the patience.
        assert eventually(is_open_though_requests_fail, 5.0)
    finally:
        over.set()
        breaker.stop()


def test_a_hanging_probe_delays_nothing_while_statements_succeed() -> None:
    over = threading.Event()
    answers = [True]
    breaker = Breaker(
        DatabaseName.USER,
        lambda: over.wait(10),
        patience_s=lambda: 0.05,
        answered_at=lambda: time.monotonic() if answers else -math.inf,
        on_close=lambda: None,
    )
    breaker.start()
    try:
        breaker.suspect()
        time.sleep(0.1)
        assert breaker.closed
        answers.clear()
        assert not breaker.closed
    finally:
        over.set()
        breaker.stop()


def test_a_probe_that_raises_means_the_database_is_down(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> bool:
        raise RuntimeError

    breaker = Breaker(
        DatabaseName.USER, fails, patience_s=lambda: 10.0, answered_at=_never, on_close=lambda: None
    )
    breaker.start()
    try:
        breaker.suspect()
        wait_until(lambda: not breaker.closed)
    finally:
        breaker.stop()
    assert "the probe failed" in caplog.text
