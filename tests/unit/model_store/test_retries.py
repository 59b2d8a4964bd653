"""A failed load is retried: at once if its files have changed and settled, otherwise ever more rarely."""

import pytest

from recommender.errors import ArtifactError
from recommender.model_store import retries
from recommender.model_store.retries import Retries


class Clock:
    """Stands in for the time module, and advances on request."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(retries, "time", clock)
    return clock


class Attempts:
    """Fails every time, and records the times of its calls."""

    def __init__(self, clock: Clock, took_s: float = 0.0) -> None:
        self._clock = clock
        self._took_s = took_s
        self.times: list[float] = []

    def __call__(self) -> None:
        self.times.append(self._clock.now - 1_000.0)
        self._clock.now += self._took_s
        raise ArtifactError(f"no {len(self.times)}")


def look(retried: Retries, attempts: Attempts, signature: object) -> str:
    with pytest.raises(ArtifactError) as caught:
        retried.run(attempts, signature)
    return str(caught.value)


def test_unchanged_files_are_tried_less_and_less_often(clock: Clock) -> None:
    retried, attempts = Retries(), Attempts(clock)
    for _ in range(130):
        assert look(retried, attempts, "same") == f"no {len(attempts.times)}"
        clock.now += 1
    assert attempts.times == [0, 2, 6, 14, 30, 60, 90, 120]


def test_slow_reads_are_retried_more_rarely(clock: Clock) -> None:
    retried, attempts = Retries(), Attempts(clock, took_s=3.0)
    for _ in range(150):
        look(retried, attempts, "same")
        clock.now += 1
    assert attempts.times == [0, 63, 126]


def test_changed_files_are_tried_as_soon_as_they_have_settled(clock: Clock) -> None:
    retried, attempts = Retries(), Attempts(clock, took_s=3.0)
    for signature in ("whole", "whole", 1, 2, 3, "done", "done", "done"):
        look(retried, attempts, signature)
        clock.now += 1
    assert attempts.times == [0, 9]


def test_a_success_forgets_the_failure(clock: Clock) -> None:
    retried, attempts = Retries(), Attempts(clock)
    look(retried, attempts, "bad")
    clock.now += 5
    assert retried.run(lambda: "good", "bad") == "good"
    look(retried, attempts, "bad")
    assert attempts.times == [0, 5]
