"""While 100 users of a batch are ranked, the next are read, and read anew if the caller takes long."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from recommender.databases.recording import StatementRun, recorded_statements
from recommender.entities import DatabaseName, Page
from recommender.errors import NothingToRecommendFromError
from recommender.serving import chunks
from recommender.serving.chunks import Chunk, ChunkReader
from recommender.serving.recommendations import RecommendationService
from tests.support.clients import PATIENT, running_client
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import eventually

_STRANGERS = [str(uuid.UUID(int=number, version=4)) for number in range(1, 101)]
_PAGE = Page(10)


@pytest.fixture
def service(databases: Urls) -> Iterator[RecommendationService]:
    with running_client(databases, **PATIENT) as client:
        yield client.application.extensions["container"].service


@pytest.fixture
def user(databases: Urls) -> str:
    """Return a user with interactions, who follows a hundred strangers in each batch."""
    return Reference(databases).users[0]


def histories_read(runs: list[StatementRun]) -> int:
    return sum(run.name == "engagement_db.fetch_histories" for run in runs)


def test_the_next_users_are_read_before_they_are_asked_for(service: RecommendationService, user: str) -> None:
    (alone,) = service.recommend([user], _PAGE)
    with recorded_statements() as runs:
        answers = service.recommend_in_chunks([*_STRANGERS, user], _PAGE)
        assert len(next(answers)) == len(_STRANGERS)
        assert eventually(lambda: histories_read(runs) == 2)
        ((last,),) = answers
    assert histories_read(runs) == 2
    assert last == alone


def test_users_who_were_read_long_ago_are_read_anew(
    service: RecommendationService, databases: Urls, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone,) = service.recommend([user], _PAGE)
    best = alone.items[0].details.id
    monkeypatch.setattr(chunks, "_RECENT_S", 0.0)
    with recorded_statements() as runs:
        answers = service.recommend_in_chunks([*_STRANGERS, user], _PAGE)
        next(answers)
        assert eventually(lambda: histories_read(runs) == 2)
        with psycopg.connect(databases[DatabaseName.ENGAGEMENT]) as connection:
            connection.execute(
                "INSERT INTO interaction VALUES (-1, %s, %s, 'LIKE', 1.0, now() AT TIME ZONE 'UTC')",
                (user, best),
            )
        ((last,),) = answers
    assert histories_read(runs) == 3
    assert best not in {item.details.id for item in last.items}


def test_users_who_could_not_be_read_ahead_are_read_when_they_are_asked_for(
    service: RecommendationService, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone,) = service.recommend([user], _PAGE)
    begin, calls = ChunkReader.begin, []

    def fail_once(self: ChunkReader, *arguments: object) -> Chunk:
        calls.append(arguments)
        if len(calls) == 2:
            raise NothingToRecommendFromError
        return begin(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ChunkReader, "begin", fail_once)
    *_, (last,) = service.recommend_in_chunks([*_STRANGERS, user], _PAGE)
    assert len(calls) == 3
    assert last == alone


def test_without_a_thread_the_next_users_are_read_when_they_are_asked_for(
    service: RecommendationService, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone,) = service.recommend([user], _PAGE)
    monkeypatch.setattr("recommender.background.start_thread", lambda *_: None)
    *_, (last,) = service.recommend_in_chunks([*_STRANGERS, user], _PAGE)
    assert last == alone
