"""The `demo` command fills its own databases repeatedly, and no others."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from recommender.cli.demo import demo
from recommender.demo.databases import demo_databases
from recommender.entities import DatabaseName
from recommender.errors import LoadError
from tests.support.clients import no_progress
from tests.support.made_up import SMALL
from tests.support.memory import folder_in_memory
from tests.support.postgres import Urls
from tests.support.reference import Reference


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's own folder: under root the server runs as another user, who may not enter that folder.
    with tempfile.TemporaryDirectory(
        prefix="marquee-", dir=folder_in_memory(), ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder) / "demo"


def run(monkeypatch: pytest.MonkeyPatch, urls: Urls, *arguments: str) -> Result:
    for name in DatabaseName:
        monkeypatch.setenv(f"{name.upper()}_URL", urls[name])
    return CliRunner().invoke(demo, arguments)


def interactions(urls: Urls) -> int:
    ((count,),) = Reference(urls).rows(DatabaseName.ENGAGEMENT, "SELECT count(*) FROM interaction")
    assert isinstance(count, int)
    return count


def test_demo_fills_empty_databases_and_leaves_filled_ones_alone(
    monkeypatch: pytest.MonkeyPatch, empty_databases: Urls
) -> None:
    result = run(monkeypatch, empty_databases, "--if-empty")
    assert result.exit_code == 0, result.output
    assert "Loaded 5,000 users, 1,980 media and 200,000 interactions." in result.output
    assert interactions(empty_databases) == 200_000
    again = run(monkeypatch, empty_databases, "--if-empty")
    assert again.output == "The databases already hold data: nothing is loaded.\n"


def test_other_data_is_replaced_only_on_request(monkeypatch: pytest.MonkeyPatch, databases: Urls) -> None:
    # The whole demo is loaded above.
    monkeypatch.setattr("recommender.cli.demo.DEMO_SIZE", replace(SMALL, interactions=5_000))
    before = interactions(databases)
    assert before != 5_000
    refused = run(monkeypatch, databases)
    assert isinstance(refused.exception, LoadError)
    assert "--replace" in str(refused.exception)
    assert interactions(databases) == before
    assert run(monkeypatch, databases, "--replace").exit_code == 0
    assert interactions(databases) == 5_000


def test_data_of_the_embedded_demo_that_has_aged_is_moved_up_to_now(folder: Path) -> None:
    newest = "SELECT max(timestamp) FROM interaction"
    with (
        demo_databases(folder, no_progress, SMALL) as urls,
        psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection,
    ):
        connection.execute("UPDATE interaction SET timestamp = timestamp - interval '200 days'")
    with demo_databases(folder, no_progress, SMALL) as urls:
        ((latest_at,),) = Reference(urls).rows(DatabaseName.ENGAGEMENT, newest)
        assert interactions(urls) == SMALL.interactions
    assert isinstance(latest_at, datetime)
    assert datetime.now(UTC).replace(tzinfo=None) - latest_at < timedelta(minutes=2)


@pytest.mark.parametrize("marker", [b"", b"\xff"])
def test_a_demo_whose_marker_is_damaged_is_made_again(folder: Path, marker: bytes) -> None:
    (folder / "postgres").mkdir(parents=True)
    (folder / "demo.json").write_bytes(marker)
    with demo_databases(folder, no_progress, SMALL) as urls:
        assert interactions(urls) == SMALL.interactions
    assert json.loads((folder / "demo.json").read_bytes())["complete"]


def test_a_demo_whose_interactions_were_deleted_starts(folder: Path) -> None:
    with (
        demo_databases(folder, no_progress, SMALL) as urls,
        psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection,
    ):
        connection.execute("DELETE FROM interaction")
    with demo_databases(folder, no_progress, SMALL) as urls:
        assert interactions(urls) == 0
