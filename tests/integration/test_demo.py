"""The `demo` command fills databases of one's own, again and again, and nobody else's."""

import uuid
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from recommender.cli.demo import demo
from recommender.demo.embedded import PostgresServer
from recommender.domain import DatabaseName
from recommender.errors import LoadError
from tests.support.postgres import Templates, Urls
from tests.support.reference import Reference


@pytest.fixture
def empty(server: PostgresServer) -> Iterator[Urls]:
    templates = Templates(server, f"empty_{uuid.uuid4().hex[:8]}")
    with templates.create() as urls:
        yield urls


def run(monkeypatch: pytest.MonkeyPatch, urls: Urls, *arguments: str) -> Result:
    for name in DatabaseName:
        monkeypatch.setenv(f"{name.upper()}_URL", urls[name])
    return CliRunner().invoke(demo, arguments)


def interactions(urls: Urls) -> int:
    ((count,),) = Reference(urls).rows(DatabaseName.ENGAGEMENT, "SELECT count(*) FROM interaction")
    assert isinstance(count, int)
    return count


def test_it_can_be_loaded_twice(monkeypatch: pytest.MonkeyPatch, empty: Urls) -> None:
    for _ in range(2):
        result = run(monkeypatch, empty)
        assert result.exit_code == 0, result.output
        assert "Loaded 5,000 users, 1,980 media and 200,000 interactions." in result.output
        assert interactions(empty) == 200_000


def test_other_data_is_left_alone_unless_told(monkeypatch: pytest.MonkeyPatch, databases: Urls) -> None:
    before = interactions(databases)
    refused = run(monkeypatch, databases)
    assert isinstance(refused.exception, LoadError)
    assert "--replace" in str(refused.exception)
    assert interactions(databases) == before
    assert run(monkeypatch, databases, "--replace").exit_code == 0
    assert interactions(databases) == 200_000
