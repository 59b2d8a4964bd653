"""Item-based models are trained by the command, serve, explain, and find similar items."""

from functools import partial
from pathlib import Path

import pytest

from recommender.model_store.trials import Trials
from recommender.models.item_knn import ItemKnn
from recommender.observability.log_filters import RepetitionFilter
from tests.support.clients import NO_CAPS, PATIENT, get, post_batch, running_client
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.training import answers_with, train_on
from tests.support.waiting import wait_until

# Fields that only models based on similar users can fill.
BY_SIMILAR_USERS = {"similar_user_count", "total_interaction_value"}


@pytest.mark.parametrize("name", ["item_knn", "ease", "als", "transitions", "ease_transitions"])
def test_an_item_model_answers_explains_and_finds_similar_items(
    shared_databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    version = train_on(shared_databases, tmp_path, monkeypatch, name=name)
    reference = Reference(shared_databases)
    users = [user for user in reference.users if reference.positive.get(user)][:40]
    with running_client(shared_databases, MODEL_PATH=str(tmp_path), **NO_CAPS, **PATIENT) as client:
        wait_until(lambda: answers_with(client, users[0], version))
        batch = post_batch(client, users)["results"]
        assert list(batch) == users
        for user in users[::4]:
            answer = get(client, user, explain="true")
            assert (answer["model"], answer["model_version"], answer["degraded"]) == (name, version, [])
            assert answer["basis"].keys() == {
                "stated_genres",
                "max_score",
                "content_weight",
                "collaborative_weight",
                "window_days",
            }
            plain = [
                {key: value for key, value in item.items() if key in batch[user]["recommendations"][0]}
                for item in answer["recommendations"]
            ]
            assert plain == batch[user]["recommendations"]
            for item in answer["recommendations"]:
                assert not BY_SIMILAR_USERS & item.keys()
                assert item["score_parts"].keys() == {"content", "collaborative"}
                if item["collaborative_score"] > 0:
                    assert item["because_you_liked"]
                    assert item["reason"].startswith("Because you ")
        popular = client.get("/api/media/popular").get_json()["media"][0]["id"]
        similar = client.get(f"/api/media/{popular}/similar").get_json()
        assert (similar["model"], similar["strategy"]) == (name, "collaborative")
        assert all("shared_user_count" not in item for item in similar["similar"])


def test_of_several_models_the_one_trained_last_answers(
    shared_databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = Reference(shared_databases).users[0]
    train_on(shared_databases, tmp_path, monkeypatch)
    with running_client(shared_databases, MODEL_PATH=str(tmp_path), **NO_CAPS, **PATIENT) as client:
        for name in ("item_knn", "neighbours"):
            version = train_on(shared_databases, tmp_path, monkeypatch, name=name)
            wait_until(partial(answers_with, client, user, version))
            assert get(client, user)["model"] == name


def test_live_sql_answers_if_a_model_fails_while_it_scores(
    shared_databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    version = train_on(shared_databases, tmp_path, monkeypatch, name="item_knn")
    user = Reference(shared_databases).users[0]
    with running_client(shared_databases, MODEL_PATH=str(tmp_path), **NO_CAPS, **PATIENT) as client:
        wait_until(lambda: answers_with(client, user, version))

        def fails(*_: object) -> None:
            raise ZeroDivisionError

        # Otherwise the version is refused as soon as it is tried out again.
        monkeypatch.setattr(Trials, "pass_again", lambda *_: True)
        monkeypatch.setattr(ItemKnn, "score", fails)
        broken = get(client, user, explain="true")
        for _ in range(5):
            get(client, user)
    with running_client(shared_databases, **NO_CAPS, **PATIENT) as client:
        live = get(client, user, explain="true")
    assert broken == live
    said = f"model item_knn {version} failed, live answers"
    records = [record for record in caplog.records if record.getMessage() == said]
    assert len(records) == 6
    outages = RepetitionFilter(clock=lambda: 0.0)
    assert [outages.filter(record) for record in records] == [True] + [False] * 5


@pytest.mark.parametrize("name", ["popularity", "content"])
def test_a_model_that_cannot_name_items_of_the_user_answers(
    shared_databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    version = train_on(shared_databases, tmp_path, monkeypatch, name=name)
    reference = Reference(shared_databases)
    user = next(user for user in reference.users if len(reference.positive.get(user, ())) > 5)
    with running_client(shared_databases, MODEL_PATH=str(tmp_path), **NO_CAPS, **PATIENT) as client:
        wait_until(lambda: answers_with(client, user, version))
        answer = get(client, user, explain="true")
        assert (answer["model"], answer["model_version"], answer["degraded"]) == (name, version, [])
        for item in answer["recommendations"]:
            assert item["because_you_liked"] == []
            assert "what you liked" not in item["reason"]
        popular = client.get("/api/media/popular").get_json()["media"][0]["id"]
        assert client.get(f"/api/media/{popular}/similar").get_json()["model"] == "live"
