"""While 100 users of a batch are ranked, the next are read."""

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from recommender.databases.database import Database
from recommender.databases.recording import StatementRun, recorded_statements
from recommender.entities import Page
from recommender.errors import NothingToRecommendFromError
from recommender.serving.chunks import Chunk, ChunkReader, ReadChunk
from recommender.serving.recommendations import RecommendationService
from tests.support.clients import PATIENT, running_client
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually

_STRANGERS = [str(uuid.UUID(int=number, version=4)) for number in range(1, 101)]
_PAGE = Page(10)


@pytest.fixture
def service(shared_databases: Urls) -> Iterator[RecommendationService]:
    with running_client(shared_databases, **PATIENT) as client:
        yield client.application.extensions["container"].service


@pytest.fixture
def user(reference: Reference) -> str:
    """Return a user with interactions, who follows a hundred strangers in each batch."""
    return reference.users[0]


def histories_read(runs: list[StatementRun]) -> int:
    return sum(run.name == "engagement_db.fetch_histories" for run in runs)


def test_the_next_users_of_a_batch_are_read_before_they_are_asked_for(
    service: RecommendationService, user: str
) -> None:
    (alone,) = service.recommend([user], _PAGE)
    with recorded_statements() as runs:
        answers = service.recommend([*_STRANGERS, user], _PAGE)
        next(answers)
        assert eventually(lambda: histories_read(runs) == 2)
        *_, last = answers
    assert histories_read(runs) == 2
    assert last == alone


def test_the_time_budget_of_users_read_ahead_pauses_until_they_are_asked_for(
    service: RecommendationService, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ChunkReader._read  # noqa: SLF001 - a caller as slow as below would take a minute

    def read_a_minute_ago(self: ChunkReader, *arguments: Any) -> ReadChunk:
        found = read(self, *arguments)
        deadline = found.chunk.deadline.later_by(-60.0)
        return found._replace(chunk=replace(found.chunk, deadline=deadline), read_at=found.read_at - 60.0)

    answers = service.recommend([*_STRANGERS, user], _PAGE)
    with monkeypatch.context() as patch:
        patch.setattr(ChunkReader, "_read", read_a_minute_ago)
        *_, last = answers
    assert last.degraded == ()
    assert last.items


def test_the_next_users_of_a_stream_are_read_when_they_are_asked_for(
    service: RecommendationService, user: str
) -> None:
    with recorded_statements() as runs:
        answers = service.recommend_in_chunks([*_STRANGERS, user], _PAGE)
        next(answers)
        assert "read ahead" not in {thread.name for thread in threading.enumerate()}
        assert histories_read(runs) == 1
        next(answers)
    assert histories_read(runs) == 2


def spared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Database, "has_connections_to_spare", False)


def threadless(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("recommender.system.background.start_thread", lambda *_: None)


@pytest.mark.parametrize("limit", [spared, threadless])
def test_without_a_connection_or_a_thread_to_spare_answers_are_the_same(
    service: RecommendationService,
    user: str,
    monkeypatch: pytest.MonkeyPatch,
    limit: Callable[[pytest.MonkeyPatch], None],
) -> None:
    (alone,) = service.recommend([user], _PAGE)
    limit(monkeypatch)
    with recorded_statements() as runs:
        answers = service.recommend([*_STRANGERS, user], _PAGE)
        next(answers)
        assert histories_read(runs) == 1
        *_, last = answers
    assert last == alone


def test_an_error_of_reading_ahead_is_raised_when_the_users_are_asked_for(
    service: RecommendationService, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, calls = ChunkReader.begin, []

    def fail_later(self: ChunkReader, *arguments: Any) -> Chunk:
        calls.append(arguments)
        if len(calls) > 1:
            raise NothingToRecommendFromError
        return begin(self, *arguments)

    monkeypatch.setattr(ChunkReader, "begin", fail_later)
    answers = service.recommend([*_STRANGERS, user], _PAGE)
    for _ in _STRANGERS:
        next(answers)
    with pytest.raises(NothingToRecommendFromError):
        next(answers)
