"""Sends the requests whose answers are recorded."""

import contextlib
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.demo.embedded import PostgresServer
from recommender.demo.generate import DemoData, generate
from recommender.demo.load import load_demo
from recommender.entities import DatabaseName
from tests.support.clients import PATIENT, no_progress, running_client
from tests.support.made_up import SMALL, off_the_edges
from tests.support.postgres import Outage, Templates, Urls
from tests.support.training import answers_with, train_on
from tests.support.waiting import wait_until

# Release years depend on the year in which the data is made.
_MADE_AT = datetime(2026, 11, 1, 12, tzinfo=UTC).replace(tzinfo=None)
_SIZE = replace(SMALL, items=220, users=300, interactions=9_000)
_USERS: tuple[DatabaseName, LiteralString] = (
    DatabaseName.USER,
    "SELECT user_id::text FROM user_preferences ORDER BY 1",
)
_ITEMS: tuple[DatabaseName, LiteralString] = (DatabaseName.CATALOG, "SELECT id::text FROM medias ORDER BY 1")
# Short timeouts, because requests wait for each database that is down.
_SOMEWHAT_PATIENT = {**PATIENT, "POOL_TIMEOUT_MS": "700"}
_STRANGER = "00000000-0000-4000-8000-000000000000"
_VERSION = re.compile(rb'"model_version":"[^"]*"')
# The exact formula, the capped one, and other weights.
WAYS: Mapping[str, Mapping[str, str]] = {
    "exact": {},
    "capped": {"EXACT_UP_TO_PAIRS": "0"},
    "weighted": {"CONTENT_WEIGHT": "0.7", "COLLABORATIVE_WEIGHT": "0.3", "INTERACTION_WINDOW_DAYS": "30"},
}

Digests = dict[str, str]


@contextlib.contextmanager
def golden_databases(server: PostgresServer) -> Iterator[Urls]:
    """Yield databases with the recorded data, moved to the present."""
    with Templates(server, "golden").create() as urls:
        load_demo(urls, _data(), no_progress)
        yield urls


def ask_live(urls: Urls, way: str) -> Digests:
    """Return a digest of every answer by live SQL, by request."""
    with running_client(urls, **PATIENT, **WAYS[way]) as client:
        return _asked(client, way, _requests(urls, each=1 if way == "exact" else 12))


def ask_model(urls: Urls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Digests:
    """Return a digest of every answer by a trained model, by request."""
    version = train_on(urls, folder, monkeypatch)
    with running_client(urls, **PATIENT, MODEL_PATH=str(folder)) as client:
        user = _ids(urls, _USERS)[0]
        wait_until(lambda: answers_with(client, user, version))
        return _asked(client, "neighbours", _requests(urls, each=1))


def ask_without(urls: Urls, outage: Outage, down: Sequence[DatabaseName]) -> Digests:
    """Return digests of answers while databases are down, after the same requests with all of them."""
    with running_client(urls, **_SOMEWHAT_PATIENT) as client:
        few = list(_few_requests(urls))
        _asked(client, "", few)
        outage.stop(*down)
        digests = _asked(client, f"without {' '.join(down)}", few)
        outage.start(*down)
        return digests


def _data() -> DemoData:
    now = datetime.now(UTC).replace(tzinfo=None)
    later = now - _MADE_AT
    data = generate(_SIZE, seed=23, now=_MADE_AT)

    def moved(at: Any) -> Any:
        return None if at is None else off_the_edges(at + later, now)

    return replace(
        data,
        items=[(*row[:6], *map(moved, row[6:])) for row in data.items],
        interactions=[(*row[:-1], moved(row[-1])) for row in data.interactions],
    )


@dataclass(frozen=True)
class Asked:
    """A request, and the key of its recorded answer."""

    name: str
    path: str
    body: dict[str, Any] | None = None
    lines: bool = False


def _asked(client: FlaskClient, way: str, requests: Iterable[Asked]) -> Digests:
    digests = {}
    for asked in requests:
        headers = {"Accept": "application/x-ndjson"} if asked.lines else {}
        if asked.body is None:
            response = client.get(asked.path, headers=headers)
        else:
            response = client.post(asked.path, json=asked.body, headers=headers)
        # The version of a model is its time of training.
        answer = _VERSION.sub(b"", response.data)
        digest = hashlib.sha256(f"{response.status_code} ".encode() + answer).hexdigest()
        digests[f"{way}: {asked.name}"] = digest[:16]
    return digests


def _requests(urls: Urls, *, each: int) -> Iterator[Asked]:
    """Yield the requests, for one user in `each`."""
    users, items = [*_ids(urls, _USERS), _STRANGER][::each], _ids(urls, _ITEMS)
    for place, user in enumerate(users):
        path = f"/api/recommendations/{user}"
        yield Asked(f"user {place}", f"{path}?limit=10")
        if place % 3 == 0:
            yield Asked(f"user {place}, explained", f"{path}?limit=5&explain=true")
    without = "&".join(f"exclude={item}" for item in items[:40])
    for place, user in enumerate(users[:: max(1, 6 // each)]):
        path = f"/api/recommendations/{user}"
        yield Asked(f"user {place}, page 3", f"{path}?limit=7&offset=14")
        yield Asked(f"user {place}, whole", f"{path}?limit=100")
        yield Asked(f"user {place}, of a genre", f"{path}?genre=drama&genre=COMEDY&explain=true")
        yield Asked(f"user {place}, series", f"{path}?media_type=series&min_year=1990&max_year=2020")
        yield Asked(f"user {place}, without", f"{path}?{without}")
    yield from _batches(users)
    yield from _previews(items)
    yield from _of_items(items)


def _batches(users: Sequence[str]) -> Iterator[Asked]:
    path = "/api/recommendations/batch"
    yield Asked("batch", path, {"user_ids": users, "limit": 5})
    yield Asked("batch, explained", path, {"user_ids": users[:60], "limit": 5, "explain": True})
    yield Asked("batch, of a genre", path, {"user_ids": users[:60], "genre": ["Horror", "war"]})
    yield Asked("stream", path, {"user_ids": users, "limit": 3}, lines=True)


def _previews(items: Sequence[str]) -> Iterator[Asked]:
    path = "/api/recommendations/preview"
    for place, genres in enumerate(([], ["Drama"], ["ACTION", "comedy", "nothing like it"])):
        for count in (0, 1, 8):
            liked = [*items[place : place + count], *([_STRANGER] if count else [])]
            body = {"genres": genres, "liked": liked, "limit": 12}
            yield Asked(f"preview {place}, {count} liked", path, body)
            yield Asked(f"preview {place}, {count} liked, explained", path, {**body, "explain": True})


def _of_items(items: Sequence[str]) -> Iterator[Asked]:
    for place, each in enumerate([*items[:30], _STRANGER]):
        yield Asked(f"similar {place}", f"/api/media/{each}/similar?limit=8")
    for query in ("", "?limit=50&offset=20", "?genre=drama&min_year=2000", "?media_type=movie"):
        yield Asked(f"popular {query}", f"/api/media/popular{query}")


def _few_requests(urls: Urls) -> Iterator[Asked]:
    """Yield requests for outages, always the same ones: answers depend on what is cached."""
    users, items = _ids(urls, _USERS)[:40:4], _ids(urls, _ITEMS)
    for place, user in enumerate(users):
        yield Asked(f"user {place}", f"/api/recommendations/{user}?limit=10&explain=true")
    yield Asked("batch", "/api/recommendations/batch", {"user_ids": users, "limit": 5})
    yield from itertools.islice(_previews(items), 6)
    yield Asked("similar", f"/api/media/{items[0]}/similar?limit=8")
    yield Asked("popular", "/api/media/popular")


def _ids(urls: Urls, of: tuple[DatabaseName, LiteralString]) -> list[str]:
    with psycopg.connect(urls[of[0]]) as connection:
        return [str(row[0]) for row in connection.execute(of[1]).fetchall()]
