"""While versions change under load, no request fails and no answer mixes two versions."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from recommender.entities import DatabaseName
from recommender.model_store.currents import VersionRef, serving_version
from recommender.model_store.promotions import read_promotions
from recommender.model_store.store import promote
from tests.support.clients import NO_CAPS, PATIENT, get, running_client
from tests.support.forked import run_forked
from tests.support.gunicorn import GunicornServer, running_gunicorn, settings_alone
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.training import train_on
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

NDJSON = {"Accept": "application/x-ndjson", "Content-Type": "application/json"}
PROMISED_S = 5.0
LIMIT, STREAM_LIMIT = 20, 100
# The number of users in single requests.
ALONE = 20
# Between the requests of a client: enough of them fall into each change, and leave the cores to the service.
PAUSE_S, BATCH_PAUSE_S = 0.1, 0.5
# The number of users that are ranked at once.
CHUNK = 100
LONG_AGO = datetime.min.replace(tzinfo=UTC)
# The trained model answers every user with a history.
SETTINGS = {**NO_CAPS, **PATIENT, "MIN_HISTORY": "0"}


@dataclass(frozen=True)
class Asked:
    """An answer about a user, alone or as a line of a batch, and the time of the request, in UTC."""

    at: datetime
    status: int
    user: str
    body: Any
    is_line: bool = False


@dataclass
class Expected:
    """A version's complete answers: for a single user, and as a line of a batch."""

    single: dict[str, Any] = field(default_factory=dict)
    line: dict[str, Any] = field(default_factory=dict)


@dataclass
class Store:
    """A folder with several models that answer differently."""

    urls: Urls
    folder: Path
    users: list[str]
    expected: dict[str | None, Expected]

    @property
    def body(self) -> bytes:
        return json.dumps({"user_ids": self.users, "limit": STREAM_LIMIT}).encode()

    def command(self, *arguments: str) -> datetime:
        """Run a command in a process of its own, and return when its version became current."""
        done = run_forked(
            ["-m", "recommender", *arguments],
            {**settings_alone(MODEL_PATH=str(self.folder)), **_named(self.urls)},
        )
        assert done.returncode == 0, done.stderr
        return datetime.fromisoformat(read_promotions(self.folder)[-1].at)


def _named(urls: Urls) -> dict[str, str]:
    return {f"{name.upper()}_URL": urls[name] for name in DatabaseName}


@pytest.fixture(scope="module")
def store(shared_databases: Urls, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Publish three versions, and record the answers of each while it is the only one."""
    folder = tmp_path_factory.mktemp("store") / "models"
    reference = Reference(shared_databases)
    users = [user for user in reference.users if reference.positive.get(user)]
    store = Store(shared_databases, folder, users, {})
    with pytest.MonkeyPatch.context() as patch:
        for name, *options in (("neighbours",), ("neighbours", "--set", "similar_users=3"), ("item_knn",)):
            version = train_on(shared_databases, folder, patch, *options, name=name)
            store.expected[version] = _answers_of(store, version)
    wholes = [json.dumps(each.single) for each in store.expected.values()]
    assert len(set(wholes)) == 3, "they would be taken for one another"
    return store


def _answers_of(store: Store, version: str) -> Expected:
    """Return the answers of the current version."""

    def is_used() -> bool:
        return bool(client.get("/ready").get_json()["model"]["version"] == version)

    with running_client(store.urls, MODEL_PATH=str(store.folder), **SETTINGS) as client:
        wait_until(is_used)
        streamed = client.post("/api/recommendations/batch", data=store.body, headers=NDJSON)
        lines = [json.loads(line) for line in streamed.data.splitlines()]
        single = {user: get(client, user, limit=LIMIT) for user in store.users[:ALONE]}
    assert [line["user_id"] for line in lines] == store.users
    for answer in (*lines, *single.values()):
        assert (answer["model_version"], answer["degraded"]) == (version, [])
    return Expected(single, {line["user_id"]: line for line in lines})


@pytest.fixture
def gunicorn(store: Store) -> Iterator[GunicornServer]:
    with running_gunicorn(
        store.urls, MODEL_PATH=str(store.folder), MAX_STREAMS="8", WORKERS="2", **SETTINGS
    ) as gunicorn:
        yield gunicorn


@pytest.fixture
def refs(store: Store) -> list[VersionRef]:
    """Return the versions. The first is current."""
    models = ("neighbours", "neighbours", "item_knn")
    found = [VersionRef(model, str(version)) for model, version in zip(models, store.expected, strict=True)]
    promote(store.folder, found[0])
    return found


@contextmanager
def opened_stream(server: GunicornServer, store: Store) -> Iterator[HTTPResponse]:
    """Request a batch of all users, without reading its lines yet."""
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("POST", "/api/recommendations/batch", store.body, NDJSON)
        yield connection.getresponse()


@contextmanager
def asked_all_the_time(server: GunicornServer, store: Store) -> Iterator[list[Asked]]:
    """Send requests from three clients meanwhile: two for single users, one for batches."""
    answers: list[Asked] = []
    done = threading.Event()

    def ask_for_one(first: int) -> None:
        number = first
        while not done.is_set():
            user, at = store.users[number % ALONE], datetime.now(UTC)
            answer = server.get(f"/api/recommendations/{user}?limit={LIMIT}")
            answers.append(Asked(at, answer.status, user, answer.body))
            number += 1
            done.wait(PAUSE_S)

    def ask_for_all() -> None:
        while not done.is_set():
            at = datetime.now(UTC)
            with opened_stream(server, store) as response:
                lines = [json.loads(line) for line in response]
            assert len({line["model_version"] for line in lines}) == 1, "a batch is of one version"
            assert [line["user_id"] for line in lines] == store.users
            answers.extend(Asked(at, response.status, line["user_id"], line, is_line=True) for line in lines)
            done.wait(BATCH_PAUSE_S)

    with ThreadPoolExecutor(3) as threads:
        tasks: list[Callable[[], None]] = [
            lambda: ask_for_one(0),
            lambda: ask_for_one(ALONE // 2),
            ask_for_all,
        ]
        clients = [threads.submit(task) for task in tasks]
        try:
            yield answers
        finally:
            done.set()
    for client in clients:
        client.result()


def taken_up(server: GunicornServer, ref: VersionRef, since: datetime) -> Mapping[int, float]:
    """Return the processes that have switched to a version since a moment, and after how many seconds."""
    lines = server.logged(message=f"model {ref.model} {ref.version} answers from now on")
    times = {line["process"]: datetime.fromisoformat(line["time"]) for line in lines}
    return {process: (at - since).total_seconds() for process, at in times.items() if at >= since}


def wait_until_taken_up(server: GunicornServer, ref: VersionRef, since: datetime) -> float:
    """Wait until all workers use a version. Return how many seconds it took."""
    wait_until(lambda: set(taken_up(server, ref, since)) == set(server.workers()))
    return max(taken_up(server, ref, since).values())


def assert_whole(answers: list[Asked], store: Store) -> None:
    """Assert that each answer is what its version answers alone."""
    assert {answer.status for answer in answers} == {200}
    for answer in answers:
        expected = store.expected[answer.body["model_version"]]
        assert answer.body == (expected.line if answer.is_line else expected.single)[answer.user]


def test_a_promotion_and_a_rollback_reach_both_workers_without_mixed_answers(
    gunicorn: GunicornServer, store: Store, refs: list[VersionRef]
) -> None:
    wait_until_taken_up(gunicorn, refs[0], LONG_AGO)
    workers = set(gunicorn.workers())
    steps = [
        (("promote", refs[1].version), refs[1]),
        (("promote", refs[2].version), refs[2]),
        (("rollback",), refs[1]),
        (("rollback",), refs[0]),
    ]
    # The periods in which all answers must be of one version.
    spans: list[tuple[datetime, datetime, VersionRef]] = []
    with asked_all_the_time(gunicorn, store) as answers:
        for command, ref in steps:
            since = store.command("models", *command)
            assert serving_version(store.folder) == ref
            took_s = wait_until_taken_up(gunicorn, ref, since)
            assert took_s < PROMISED_S
            settled = datetime.now(UTC)
            time.sleep(1)
            spans.append((settled, datetime.now(UTC), ref))
    assert set(gunicorn.workers()) == workers
    assert_whole(answers, store)
    for begin, end, ref in spans:
        assert {answer.body["model_version"] for answer in answers if begin < answer.at < end} == {
            ref.version
        }
    assert {answer.is_line for answer in answers} == {True, False}


@pytest.mark.parametrize("change", ["promote", "publish"])
def test_a_batch_uses_one_version_from_start_to_end(
    gunicorn: GunicornServer, store: Store, refs: list[VersionRef], change: str
) -> None:
    wait_until_taken_up(gunicorn, refs[0], LONG_AGO)
    with opened_stream(gunicorn, store) as response:
        lines = [response.readline()]
        if change == "promote":
            since, ref = store.command("models", "promote", refs[1].version), refs[1]
        else:
            since = store.command("train", "neighbours", "--set", "similar_users=9")
            published = serving_version(store.folder)
            assert published is not None
            assert published not in refs
            ref = published
        assert wait_until_taken_up(gunicorn, ref, since) < PROMISED_S
        counted = gunicorn.value("marquee_answers_total", {"model": "neighbours"})
        assert counted <= len(store.users) - CHUNK, "users are left to be worked on after the change"
        lines += response.readlines()
    expected = store.expected[refs[0].version].line
    assert [json.loads(line) for line in lines] == [expected[user] for user in store.users]
    answer = gunicorn.get(f"/api/recommendations/{store.users[0]}")
    assert answer.body["model_version"] == ref.version
