"""Every answer equals the one recorded in `answers.json`, byte for byte.

If an answer is meant to change, `make golden` records it again.
"""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from recommender.demo.embedded import PostgresServer
from recommender.entities import DatabaseName
from tests.golden.asking import WAYS, Digests, ask_live, ask_model, ask_without, golden_databases
from tests.support.postgres import Outage, Urls

pytestmark = pytest.mark.slow

ANSWERS = Path(__file__).parent / "answers.json"
OUTAGES = [down for count in (1, 2, 3) for down in itertools.combinations(DatabaseName, count)]


@pytest.fixture(scope="module")
def golden(server: PostgresServer) -> Iterator[Urls]:
    with golden_databases(server) as urls:
        yield urls


def check(way: str, found: Digests) -> None:
    kept = json.loads(ANSWERS.read_text())
    if os.environ.get("MARQUEE_WRITE_GOLDEN"):
        others = {name: kept[name] for name in kept if not name.startswith(f"{way}: ")}
        kept = others | found
        ANSWERS.write_text(json.dumps(kept, indent=0) + "\n")
    of_way = {name: kept[name] for name in kept if name.startswith(f"{way}: ")}
    assert found.keys() == of_way.keys()
    assert [name for name in of_way if of_way[name] != found[name]] == []


@pytest.mark.parametrize("way", WAYS)
def test_answers_of_live_sql_are_unchanged(golden: Urls, way: str) -> None:
    check(way, ask_live(golden, way))


def test_answers_of_the_neighbours_model_are_unchanged(
    golden: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check("neighbours", ask_model(golden, tmp_path, monkeypatch))


@pytest.mark.parametrize("down", OUTAGES, ids=" ".join)
def test_answers_in_an_outage_are_unchanged(
    server: PostgresServer, golden: Urls, down: tuple[DatabaseName, ...]
) -> None:
    check(f"without {' '.join(down)}", ask_without(golden, Outage(server, golden), down))
