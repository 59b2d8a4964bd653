"""Users in an experiment get their variant, which answers name; other users see no change."""

import csv
import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from recommender.databases.recording import recorded_statements
from recommender.entities import Options, Page, Weights
from recommender.experiments.definitions import NO_CHANGES, Experiment, parse_experiments
from recommender.experiments.tokens import TokenSigner
from recommender.models.registry import MODELS
from recommender.results.serializers import one_user_of
from tests.support.clients import NO_CAPS, PATIENT, get, ids, post_batch, running_client
from tests.support.commands import Run
from tests.support.gunicorn import running_gunicorn, sum_of
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.training import train_on
from tests.support.waiting import eventually

KEY = "k" * 32
SIGNER = TokenSigner([KEY])
TWO = """
[weighted.variants.control]
share = 0.4
[weighted.variants.content]
share = 0.4
content_weight = 0.9
collaborative_weight = 0.1

[window.variants.month]
share = 0.3
window_days = 30
[window.variants.week]
share = 0.3
window_days = 7
"""
DIVERSE = "[lists.variants.diverse]\nshare = 1\ndiversity = 0.6\n"
DRAFT = """
[ranker]
kind = "interleaving"
[ranker.variants.present]
[ranker.variants.content]
content_weight = 1
collaborative_weight = 0
"""
MODELS_COMPARED = """
[ranker.variants.live]
share = 0.5
model = "live"
[ranker.variants.items]
share = 0.5
model = "item_knn"
"""

Served = Callable[..., Any]


def parsed(text: str) -> dict[str, Experiment]:
    return {each.name: each for each in parse_experiments(text, ("auto", "live", *MODELS))}


@pytest.fixture
def served(shared_databases: Urls, tmp_path: Path) -> Served:
    """Start the service with some experiments."""

    @contextmanager
    def serve(text: str, **variables: str) -> Iterator[FlaskClient]:
        path = tmp_path / "experiments.toml"
        path.write_text(text)
        settings = {"EXPERIMENTS_PATH": str(path), "EXPERIMENT_KEY": KEY, **NO_CAPS, **PATIENT, **variables}
        with running_client(shared_databases, **settings) as client:
            yield client

    return serve


def by_pages_of_7(client: FlaskClient, user: str, end: int) -> list[str]:
    return [each for offset in range(0, end, 7) for each in ids(get(client, user, limit=7, offset=offset))]


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "variant"}


def test_each_variant_answers_as_a_request_for_what_it_changes(
    served: Served, client: FlaskClient, reference: Reference
) -> None:
    service = client.application.extensions["container"].service
    weighted, window = parsed(TWO).values()
    names = set()
    with served(TWO) as tried:
        for user in reference.users[:40]:
            parts = [(each.name, each.variant_for(user)) for each in (weighted, window)]
            changes = [NO_CHANGES if variant is None else variant.changes for _, variant in parts]
            name = ",".join(f"{experiment}:{variant.name}" for experiment, variant in parts if variant)
            names.add(name)
            options = Options(weights=changes[0].weights, window_days=changes[1].window_days)
            (expected,) = service.recommend([user], Page(30), options)
            answer = get(tried, user, limit=30)
            assert answer.get("variant", "") == name
            assert plain(answer) == json.loads(json.dumps(one_user_of(expected, Page(30))))
    # Every combination of variants, including users outside.
    assert len(names) == 9


def test_a_request_with_its_own_weights_is_in_no_experiment_about_weights(
    served: Served, client: FlaskClient, reference: Reference
) -> None:
    weights, page = Options(weights=Weights(0.2, 0.8)), Page(10)
    main = client.application.extensions["container"].service
    expected = list(main.recommend(reference.users[:20], page, weights))
    text = TWO.partition("[window")[0]
    with served(text) as tried:
        service = tried.application.extensions["container"].service
        assert list(service.recommend(reference.users[:20], page, weights)) == expected
        preview = tried.post("/api/recommendations/preview", json={"genres": ["Drama"]}).get_json()
    assert "variant" not in preview


def test_a_batch_answers_as_one_user_alone_and_reads_one_history_for_each_window(
    served: Served, reference: Reference
) -> None:
    users = reference.users[:50]
    with served(TWO) as tried:
        with recorded_statements() as runs:
            batch = post_batch(tried, users, limit=10)["results"]
        counted = Counter(run.name for run in runs)
        for user in users:
            alone = get(tried, user)
            assert batch[user] == {name: alone[name] for name in batch[user]}
        lines = tried.post(
            "/api/recommendations/batch",
            json={"user_ids": users, "limit": 10},
            headers={"Accept": "application/x-ndjson"},
        )
        streamed = [json.loads(line) for line in lines.data.splitlines()]
        lines.close()
        metrics = tried.get("/metrics").text
    assert [line.get("variant") for line in streamed] == [batch[user].get("variant") for user in users]
    # One for each window: 90, 30 and 7 days.
    assert counted["engagement_db.fetch_histories"] == 3
    assert counted["user_db.fetch_genre_preferences"] == counted["catalog_db.fetch_media"] == 1
    named = Counter(part for line in streamed if "variant" in line for part in line["variant"].split(","))
    for part, answered in named.items():
        experiment, variant = part.split(":")
        labels = {"experiment": experiment, "variant": variant}
        # As one answer, as single answers, and as a stream.
        assert sum_of(metrics, "marquee_variant_answers_total", labels) == 3 * answered


def test_pages_of_a_re_ranked_list_neither_overlap_nor_skip(
    served: Served, client: FlaskClient, reference: Reference
) -> None:
    user = reference.users[0]
    before = [
        item["id"]
        for offset in (0, 100)
        for item in get(client, user, limit=100, offset=offset)["recommendations"]
    ]
    with served(DIVERSE) as tried:
        whole = [each for offset in (0, 100) for each in ids(get(tried, user, limit=100, offset=offset))]
        by_sevens = [
            id_ for offset in range(0, 49, 7) for id_ in ids(get(tried, user, limit=7, offset=offset))
        ]
        answer = get(tried, user, limit=100, explain="true")
    assert by_sevens == whole[:49]
    assert sorted(whole) == sorted(before)
    assert whole != before
    assert answer["variant"] == "lists:diverse"
    genres = [set(item["genres"]) for item in answer["recommendations"][:10]]
    undiverse = [set(item["genres"]) for item in get(client, user, limit=10)["recommendations"]]
    assert _overlap(genres) < _overlap(undiverse)


def _overlap(sets: list[set[str]]) -> float:
    pairs = [(first, second) for n, first in enumerate(sets) for second in sets[:n]]
    return sum(len(first & second) / (len(first | second) or 1) for first, second in pairs)


def test_an_interleaved_list_has_items_of_both_rankings_and_names_the_team_of_each(
    served: Served, client: FlaskClient, reference: Reference, shared_databases: Urls
) -> None:
    user = reference.users[0]
    content = {"CONTENT_WEIGHT": "1", "COLLABORATIVE_WEIGHT": "0", **NO_CAPS, **PATIENT}
    rankings = {"present": ids(get(client, user, limit=100))}
    with running_client(shared_databases, **content) as other:
        rankings["content"] = ids(get(other, user, limit=100))
    with served(DRAFT) as tried:
        answer = get(tried, user, limit=40)
        by_sevens = [
            item for offset in range(0, 35, 7) for item in ids(get(tried, user, limit=7, offset=offset))
        ]
        explained = get(tried, user, limit=40, explain="true")
        batch = post_batch(tried, [user], limit=40)["results"][user]
        rest = get(tried, user, limit=100, offset=150)
    items = answer["recommendations"]
    assert answer["variant"] == "ranker:interleaved"
    assert by_sevens == ids(answer)[:35] == ids(explained)[:35] == ids(batch)[:35]
    placements = [SIGNER.read(item["token"]) for item in items]
    left = {team: list(ranking) for team, ranking in rankings.items()}
    for rank, (item, placement) in enumerate(zip(items, placements, strict=True), start=1):
        assert placement is not None
        assert (placement.experiment, placement.user_id) == ("ranker", user)
        assert (placement.item_id, placement.rank) == (item["id"], rank)
        # The team's best item that was left.
        assert left[placement.team][0] == item["id"]
        for ranking in left.values():
            if item["id"] in ranking:
                ranking.remove(item["id"])
    teams = Counter(placement.team for placement in placements if placement)
    assert teams == {"present": 20, "content": 20}
    assert not set(ids(rest)) & set(ids(answer))
    for item in explained["recommendations"]:
        assert sum(item["score_parts"].values()) == pytest.approx(item["recommendation_score"], abs=1e-9)


def test_no_team_is_credited_while_another_model_ranks_for_it(
    served: Served,
    reference: Reference,
    shared_databases: Urls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drafted = DRAFT.partition("[ranker.variants.c")[0] + "[ranker.variants.items]\nmodel = 'item_knn'\n"
    folder, user = tmp_path / "models", reference.users[0]
    with served(drafted, MODEL="live", MODEL_PATH=str(folder)) as tried:
        assert not any("token" in item for item in get(tried, user)["recommendations"])
        train_on(shared_databases, folder, monkeypatch, name="item_knn")
        assert eventually(lambda: all("token" in item for item in get(tried, user)["recommendations"]), 20)
        newcomer = get(tried, "00000000-0000-4000-8000-000000000000")
    assert newcomer["variant"] == "ranker:interleaved"
    assert not any("token" in item for item in newcomer["recommendations"])


def test_a_model_that_an_experiment_names_is_served_beside_the_main_one(
    served: Served,
    reference: Reference,
    shared_databases: Urls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = train_on(shared_databases, tmp_path / "models", monkeypatch, name="item_knn")
    (experiment,) = parsed(MODELS_COMPARED).values()
    by_variant: dict[str, str] = {}
    for user in reference.users[:20]:
        found = experiment.variant_for(user)
        assert found is not None
        by_variant[found.name] = user
    with served(MODELS_COMPARED, MODEL="live", MODEL_PATH=str(tmp_path / "models")) as tried:
        assert eventually(lambda: get(tried, by_variant["items"])["model_version"] == version, 20)
        assert get(tried, by_variant["items"])["model"] == "item_knn"
        assert get(tried, by_variant["live"])["model"] == "live"
        assert tried.get("/ready").get_json()["model"]["name"] == "live"
        before = [_answered(tried, model) for model in ("item_knn", "live")]
        post_batch(tried, list(by_variant.values()))
        # Users of one request may have different models.
        assert [_answered(tried, model) for model in ("item_knn", "live")] == [count + 1 for count in before]


def test_ready_warns_of_a_model_that_an_experiment_names_and_that_does_not_answer(
    served: Served,
    reference: Reference,
    shared_databases: Urls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "models"
    users = reference.users[:20]

    def said(client: FlaskClient) -> Any:
        response = client.get("/ready")
        # A warning, because live SQL answers the users of that variant.
        assert (response.status_code, response.get_json()["status"]) == (200, "ready")
        assert all(get(client, user)["model"] == "live" for user in users)
        return response.get_json()["experiment_models"]

    live = {"name": "live", "version": None}
    with served(MODELS_COMPARED, MODEL="live", MODEL_PATH=str(folder)) as tried:
        nothing = {"version": None, "reason": "no version of it is published"}
        assert eventually(lambda: said(tried) == {"live": live, "item_knn": {**live, "refused": nothing}}, 20)
        # Complete before it is published in the folder that the service reads.
        version = train_on(shared_databases, tmp_path / "elsewhere", monkeypatch, name="item_knn")
        array = next((tmp_path / "elsewhere" / "item_knn" / version).glob("*.npy"))
        array.write_bytes(array.read_bytes() + b"x")
        (tmp_path / "elsewhere").rename(folder)
        damaged = {"version": version, "reason": f"{array.name}: the checksum is wrong"}
        assert eventually(lambda: said(tried)["item_knn"] == {**live, "refused": damaged}, 20)
        array = folder / "item_knn" / version / array.name
        array.write_bytes(array.read_bytes()[:-1])
        used = {"name": "item_knn", "version": version}
        assert eventually(lambda: tried.get("/ready").get_json()["experiment_models"]["item_knn"] == used, 20)
    with served("") as tried:
        assert "experiment_models" not in tried.get("/ready").get_json()


def _answered(client: FlaskClient, model: str) -> float:
    return sum_of(client.get("/metrics").text, "marquee_answers_total", {"model": model})


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_job_writes_variants_and_tokens(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: Reference, form: str
) -> None:
    path, users = tmp_path / "experiments.toml", tmp_path / "users.txt"
    path.write_text(DRAFT)
    users.write_text("\n".join(reference.users[:3]))
    monkeypatch.setenv("EXPERIMENTS_PATH", str(path))
    monkeypatch.setenv("EXPERIMENT_KEY", KEY)
    output = tmp_path / f"out.{form}"
    assert run("batch", users, "--output", output, "--limit", 5).status == 0
    if form == "csv":
        rows = list(csv.DictReader(output.read_text().splitlines()))
        assert {row["variant"] for row in rows} == {"ranker:interleaved"}
        placements = [SIGNER.read(row["token"]) for row in rows]
        assert [(each.user_id, each.item_id) for each in placements if each] == [
            (row["user_id"], row["media_id"]) for row in rows
        ]
    else:
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        assert [line["variant"] for line in lines] == ["ranker:interleaved"] * 3
        assert all(SIGNER.read(item["token"]) for line in lines for item in line["recommendations"])


def test_a_reload_takes_up_experiments_and_refuses_wrong_ones(
    shared_databases: Urls, tmp_path: Path, reference: Reference
) -> None:
    path, user = tmp_path / "experiments.toml", reference.users[0]
    path.write_text("")
    with running_gunicorn(shared_databases, EXPERIMENTS_PATH=str(path), WORKERS="1") as server:

        def reloaded() -> str | None:
            before = set(server.workers())
            server.process.send_signal(signal.SIGHUP)
            assert eventually(lambda: len(server.workers()) == 1 and not before & set(server.workers()), 30)
            answer = server.ask(f"/api/recommendations/{user}")
            assert answer.status == 200
            variant: str | None = answer.body.get("variant")
            return variant

        assert "variant" not in server.ask(f"/api/recommendations/{user}").body
        path.write_text(DIVERSE)
        assert reloaded() == "lists:diverse"
        path.write_text(DIVERSE + "model = 'no_such'")
        assert reloaded() == "lists:diverse"
        assert any("lists.variants.diverse: model must be one of" in str(line) for line in server.logged())
        path.write_text("")
        assert reloaded() is None
