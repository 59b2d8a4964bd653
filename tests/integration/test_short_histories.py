"""Short histories are ranked by similar users, longer ones increasingly by the trained model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.databases.queries import load_queries
from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, PATIENT, get, post_batch, running_client, whole_ranking
from tests.support.postgres import Templates, Urls
from tests.support.reference import Reference
from tests.support.training import answers_with, train_on
from tests.support.waiting import wait_until

NAME = "ease"
BOUND = 5
PREVIEW = "/api/recommendations/preview"
# Half of the fourth decimal, for each of two rounded scores.
ROUNDING = 2e-4
LIVE_STATEMENTS = ["engagement_db.fetch_media_of_users", "engagement_db.fetch_users_of_media"]


def short_user(items: int) -> str:
    """Return the id of a user with this number of likes, who is not in the databases of others."""
    return f"55555555-5555-4555-8555-{items:012}"


class Served(NamedTuple):
    """Databases with users of all lengths of history, and a model trained on them."""

    urls: Urls
    folder: Path
    version: str
    experienced: str


@pytest.fixture(scope="module")
def served(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("models")
    with templates.clone() as urls, pytest.MonkeyPatch.context() as monkeypatch:
        reference = Reference(urls)
        liked = [item_id for item_id, _ in reference.popularity.most_common(2 * BOUND)][1::2]
        rows = [
            (10_000_000 + 100 * items + place, short_user(items), item_id, place)
            for items in range(1, BOUND + 1)
            for place, item_id in enumerate(liked[:items])
        ]
        with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
            connection.cursor().executemany(
                "INSERT INTO interaction VALUES"
                " (%s, %s, %s, 'LIKE', 1.0, now() AT TIME ZONE 'UTC' - make_interval(hours => %s))",
                rows,
            )
        version = train_on(urls, folder, monkeypatch, name=NAME)
        experienced = max(reference.users, key=lambda user: len(reference.positive.get(user, ())))
        yield Served(urls, folder, version, experienced)


@contextmanager
def client_of(served: Served, **variables: str) -> Iterator[FlaskClient]:
    settings = {"MODEL_PATH": str(served.folder), **NO_CAPS, **PATIENT, **variables}
    with running_client(served.urls, **settings) as client:
        wait_until(lambda: answers_with(client, served.experienced, served.version))
        yield client


@pytest.fixture(scope="module")
def mixed(served: Served) -> Iterator[FlaskClient]:
    with client_of(served) as client:
        yield client


@pytest.fixture(scope="module")
def trained(served: Served) -> Iterator[FlaskClient]:
    with client_of(served, MIN_HISTORY="0") as client:
        yield client


@pytest.fixture(scope="module")
def live(served: Served) -> Iterator[FlaskClient]:
    with running_client(served.urls, **NO_CAPS, **PATIENT) as client:
        yield client


def collaborative(client: FlaskClient, user: str) -> dict[str, float]:
    return {item["id"]: item["collaborative_score"] for item in whole_ranking(client, user)}


@pytest.mark.parametrize("items", range(1, BOUND))
def test_scores_mix_both_models_by_their_shares(
    mixed: FlaskClient, trained: FlaskClient, live: FlaskClient, items: int
) -> None:
    user = short_user(items)
    share = (items / BOUND) ** 0.5
    ours, theirs = collaborative(trained, user), collaborative(live, user)
    expected = {item_id: share * ours[item_id] + (1 - share) * theirs[item_id] for item_id in ours}
    largest = max(expected.values())
    assert sum(score > 0 for score in theirs.values()) > 10
    assert ours != theirs
    found = collaborative(mixed, user)
    assert found == pytest.approx(
        {item_id: score / largest for item_id, score in expected.items()}, abs=ROUNDING
    )


def test_from_min_history_on_the_trained_model_answers(
    mixed: FlaskClient, trained: FlaskClient, served: Served
) -> None:
    for user in (short_user(BOUND), served.experienced):
        assert get(mixed, user, explain="true") == get(trained, user, explain="true")
        assert whole_ranking(mixed, user) == whole_ranking(trained, user)


def test_without_a_history_the_answer_is_live(mixed: FlaskClient, live: FlaskClient) -> None:
    answer = get(mixed, short_user(0), explain="true")
    assert (answer["model"], answer["model_version"], answer["strategy"]) == ("live", None, "popular")
    assert answer == get(live, short_user(0), explain="true")


@pytest.mark.parametrize("items", range(1, BOUND))
def test_short_histories_are_explained_in_the_name_of_the_trained_model(
    mixed: FlaskClient, served: Served, items: int
) -> None:
    answer = get(mixed, short_user(items), limit=50, explain="true")
    assert (answer["model"], answer["model_version"], answer["degraded"]) == (NAME, served.version, [])
    assert "similar_users" not in answer["basis"]
    assert 0 < answer["basis"]["max_score"] <= 1
    for item in answer["recommendations"]:
        assert "similar_user_count" not in item
        assert 0 < len(item["because_you_liked"]) <= items
        assert sum(item["score_parts"].values()) == pytest.approx(item["recommendation_score"], abs=1e-9)


def test_a_batch_equals_single_answers(mixed: FlaskClient, served: Served) -> None:
    users = [served.experienced, *map(short_user, range(BOUND + 1)), *Reference(served.urls).users[:40]]
    batch = post_batch(mixed, users)["results"]
    for user in users:
        single = get(mixed, user)
        assert {key: single[key] for key in batch[user]} == batch[user]


def test_live_sql_runs_twice_a_request_and_only_for_short_histories(
    mixed: FlaskClient, served: Served
) -> None:
    def run(*users: str) -> list[str]:
        with recorded_statements() as runs:
            post_batch(mixed, list(users))
        names = sorted(run.name for run in runs)
        assert len(names) == len(set(names))
        return [name for name in names if name in LIVE_STATEMENTS]

    others = [user for user in Reference(served.urls).users[:40] if user != served.experienced]
    shorts = [short_user(items) for items in range(1, BOUND)]
    assert run(short_user(0), short_user(BOUND), served.experienced) == []
    for users in (shorts[:1], shorts, [short_user(0), *shorts, served.experienced, *others]):
        assert run(*users) == LIVE_STATEMENTS


def test_a_preview_with_few_likes_is_mixed_and_with_enough_is_not(
    mixed: FlaskClient, trained: FlaskClient, live: FlaskClient, served: Served
) -> None:
    liked = [item_id for item_id, _ in Reference(served.urls).popularity.most_common(BOUND)]

    def ask(client: FlaskClient, likes: int) -> dict[str, Any]:
        response = client.post(PREVIEW, json={"genres": ["Drama"], "liked": liked[:likes]})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.get_json()
        return answer

    assert ask(mixed, BOUND) == ask(trained, BOUND)
    assert ask(mixed, 0) == ask(live, 0)
    few = ask(mixed, 2)
    assert few["model"] == NAME
    assert few["recommendations"] not in (ask(trained, 2)["recommendations"], ask(live, 2)["recommendations"])


def test_if_live_sql_is_too_slow_trained_scores_serve_and_the_answer_says_so(
    served: Served, trained: FlaskClient, tmp_path: Path
) -> None:
    pause = "coalesce(left(pg_sleep(9)::text, 0)::bytea, ''::bytea)"
    (tmp_path / DatabaseName.ENGAGEMENT).mkdir()
    for name in ("fetch_users_of_media", "fetch_users_of_media_repeated"):
        text = load_queries(DatabaseName.ENGAGEMENT)[name].path.read_text()
        slow = text.replace("string_agg(list.kinds, ''::bytea)", f"string_agg(list.kinds, {pause})")
        assert slow != text
        (tmp_path / DatabaseName.ENGAGEMENT / f"{name}.sql").write_text(slow)
    user = short_user(3)
    with client_of(served, SQL_PATH=str(tmp_path), TIME_BUDGET_MS="1500") as client:
        answer = get(client, user, explain="true")
        longer = get(client, served.experienced)
    whole = get(trained, user, explain="true")
    assert (answer["model"], answer["model_version"]) == (NAME, served.version)
    assert answer["degraded"] == ["engagement_db"]
    assert longer["degraded"] == []
    assert {**answer, "degraded": []} == whole


@pytest.mark.parametrize("name", ["popularity", "content", "neighbours"])
def test_models_that_need_no_history_answer_for_everyone(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    version = train_on(served.urls, tmp_path, monkeypatch, name=name)
    with running_client(served.urls, MODEL_PATH=str(tmp_path), **NO_CAPS, **PATIENT) as client:
        wait_until(lambda: answers_with(client, served.experienced, version))
        results = post_batch(client, [short_user(items) for items in range(BOUND + 1)])["results"]
    assert {result["model"] for result in results.values()} == {name}
