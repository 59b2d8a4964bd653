"""Replays of a past moment, scored for live SQL and for models trained on earlier data."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName, Strategy
from recommender.errors import ReplayError
from recommender.evaluation.replay import Replay, replay, score
from tests.support.clients import NO_CAPS, PATIENT, settings_for
from tests.support.commands import runner, variables
from tests.support.forked import ForkedProcess, fork
from tests.support.postgres import Urls
from tests.support.processes import environment
from tests.support.tiny import ASKER, Tiny, key
from tests.support.waiting import wait_until

ENGAGEMENT = DatabaseName.ENGAGEMENT
MOMENT = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=25)


@pytest.fixture
def tiny(empty_databases: Urls) -> Tiny:
    return Tiny(empty_databases)


def ask_tiny(tiny: Tiny, hours_ago: float = 10, **variables: str) -> Replay:
    as_of = datetime.now(UTC) - timedelta(hours=hours_ago)
    return replay(settings_for(tiny.urls, **{**PATIENT, **NO_CAPS, **variables}), as_of)


def rankings(served: Replay) -> dict[str, tuple[str, ...]]:
    return {user.user_id: user.item_ids for user in served.users}


def test_relevant_items_are_liked_or_watched_later_and_were_unseen(tiny: Tiny) -> None:
    tiny.add(1, 100, 20)
    tiny.add(1, 100, 5)  # seen before
    tiny.add(1, 102, 4, kind="LIKE")
    tiny.add(1, 101, 5)
    tiny.add(1, 103, 5)
    tiny.add(1, 103, 4, kind="DISLIKE")
    tiny.add(1, 104, 4, kind="DISLIKE")
    tiny.add(1, 104, 3, kind="LIKE")
    tiny.add(10, 100, 20)
    tiny.add(10, 101, 20)
    tiny.add(11, 105, 20)
    served = ask_tiny(tiny)
    (user,) = served.users
    assert (user.user_id, user.followed) == (ASKER, (key(101), key(102), key(104)))
    assert not user.is_new
    assert served.eligible_users == 1
    assert user.item_ids[0] == key(101), "what the other user of 100 has"
    assert user.strategy is Strategy.COLLABORATIVE


def test_items_that_are_not_in_the_catalog_are_not_relevant(tiny: Tiny) -> None:
    for other, item in ((10, 100), (10, 101), (1, 100)):
        tiny.add(other, item, 20)
    tiny.add(1, 101, 5)
    tiny.add(1, 999, 5)
    tiny.add(11, 999, 5)
    served = ask_tiny(tiny)
    assert [(user.user_id, user.followed) for user in served.users] == [(ASKER, (key(101),))]
    assert served.eligible_users == 1
    assert score(served.users).ndcg == 1.0


def test_a_watch_after_a_dislike_is_not_relevant(tiny: Tiny) -> None:
    tiny.add(10, 101, 20)
    tiny.add(1, 100, 20, kind="DISLIKE")
    tiny.add(1, 101, 21, kind="DISLIKE")
    tiny.add(1, 101, 20, kind="LIKE")
    tiny.add(1, 102, 20, kind="DISLIKE")
    tiny.add(1, 103, 2_000, kind="DISLIKE")
    for item, kind in ((100, "WATCH"), (101, "WATCH"), (102, "LIKE"), (103, "WATCH")):
        tiny.add(1, item, 5, kind=kind)
    (user,) = ask_tiny(tiny, EXCLUDING_TYPES="HIDE", INTERACTION_WINDOW_DAYS="30").users
    assert set(user.followed) == {key(101), key(102), key(103)}, "103 was disliked before the window"


def test_users_without_a_history_then_are_new(tiny: Tiny) -> None:
    tiny.add(10, 100, 20)
    tiny.add(1, 101, 20, kind="DISLIKE")
    tiny.add(1, 100, 5)
    tiny.add(11, 100, 5)
    served = ask_tiny(tiny)
    assert {user.user_id: user.is_new for user in served.users} == {ASKER: True, key(11): True}
    assert {user.strategy for user in served.users} == {Strategy.POPULAR}
    assert score(served.users).personalised == 0


def test_an_interaction_without_a_time_is_not_relevant(tiny: Tiny) -> None:
    tiny.add(1, 100, 5)
    tiny.execute(ENGAGEMENT, "UPDATE interaction SET timestamp = NULL")
    assert not ask_tiny(tiny).users


@pytest.mark.parametrize("model", ["live", "neighbours", "item_knn", "ease"])
def test_later_interactions_change_no_ranking(databases: Urls, model: str) -> None:
    settings = settings_for(databases, **PATIENT, **NO_CAPS)
    before = replay(settings, MOMENT, model=model)
    assert {user.model for user in before.users} == {model}
    assert before.eligible_users == len(before.users) > 50
    assert not score(before.users).degraded
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute(
            "INSERT INTO interaction "
            "SELECT 10000000 + row_number() OVER (), user_id, media_id, 'LIKE', 9, %s "
            "FROM (SELECT DISTINCT user_id FROM interaction) AS u, "
            "(SELECT DISTINCT media_id FROM interaction ORDER BY media_id LIMIT 20) AS m",
            (MOMENT,),
        )
    after = rankings(replay(settings, MOMENT, model=model))
    for user_id, ranking in rankings(before).items():
        assert after[user_id] == ranking


def test_the_same_users_are_asked_for_each_time(databases: Urls) -> None:
    settings = settings_for(databases, **PATIENT)
    few, all_of_them = replay(settings, MOMENT, users=20), replay(settings, MOMENT)
    assert few.eligible_users == all_of_them.eligible_users == len(all_of_them.users)
    assert few.users == all_of_them.users[:20]


def test_a_replay_runs_the_statements_of_a_batch(databases: Urls) -> None:
    with recorded_statements() as runs:
        replay(settings_for(databases, **PATIENT, **NO_CAPS), MOMENT, users=100)
    asked = [run.name for run in runs if run.name.startswith("engagement_db")]
    assert sorted(asked) == [
        "engagement_db.fetch_histories",
        "engagement_db.fetch_media_of_users",
        "engagement_db.fetch_users_of_media",
    ]


def test_a_future_moment_is_refused(shared_databases: Urls) -> None:
    with pytest.raises(ReplayError, match="before now"):
        replay(settings_for(shared_databases), datetime.now(UTC) + timedelta(hours=1))


def test_the_command_prints_scores_and_their_limits(
    databases: Urls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(databases, monkeypatch, capsys)
    weights = ("--set", "CONTENT_WEIGHT=0.2", "--set", "MODEL=ease")
    result = run("evaluate", "--as-of", MOMENT.isoformat(), "--users", 50, *weights)
    assert result.status == 0, result.err
    for said in (
        "ease: 50 of",
        "NDCG@10 0.",
        "hit rate@10 0.",
        "personalized",
        "they were not shown",
        "of today",
    ):
        assert said in result.out
    assert run("evaluate", "--as-of", "yesterday").status == 2
    result = run("evaluate", "--as-of", MOMENT.isoformat(), "--set", "NOTHING=1")
    assert (result.status, "NOTHING: there is no such setting" in result.err) == (1, True)


@contextmanager
def stopped_replay(urls: Urls, temporary: Path, number: signal.Signals) -> Iterator[ForkedProcess]:
    """Run a replay with a model, and send it a signal once the model's files hold the ids of users."""
    command = ["-m", "recommender", "evaluate", "--as-of", MOMENT.isoformat(), "--set", "MODEL=neighbours"]
    temporary.mkdir()
    process = fork(command, environment(**variables(urls), TMPDIR=str(temporary)), temporary / "out")
    try:
        wait_until(lambda: any(temporary.rglob("2*/user_ids.npy")))
        process.send_signal(number)
        process.wait(60)
        yield process
    finally:
        process.kill()


def left_in(temporary: Path) -> list[str]:
    return [path.name for path in temporary.iterdir() if path.is_dir()]


@pytest.mark.slow
def test_a_replay_that_is_stopped_removes_its_model(shared_databases: Urls, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    with stopped_replay(shared_databases, temporary, signal.SIGTERM) as process:
        assert process.returncode == 128 + signal.SIGTERM, (temporary / "out").read_text()
    assert left_in(temporary) == []


@pytest.mark.slow
def test_forget_removes_the_model_of_a_killed_replay(
    shared_databases: Urls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    temporary = tmp_path / "temporary"
    with stopped_replay(shared_databases, temporary, signal.SIGKILL) as process:
        assert process.returncode == -signal.SIGKILL
    assert len(left_in(temporary)) == 1
    run = runner(shared_databases, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert run("forget", ASKER).status == 0
    assert left_in(temporary) == []
