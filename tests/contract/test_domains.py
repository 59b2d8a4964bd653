"""Tests that the service serves another domain, given a declaration, SQL and the pattern of its ids."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from recommender.demo.embedded import PostgresServer
from tests.support.clients import NO_CAPS, PATIENT, get, running_client, whole_ranking
from tests.support.contract import Contract
from tests.support.postgres import Templates, Urls
from tests.support.recipes import RECIPES, SETTINGS, RecipeReference, fill, write_sql


@pytest.fixture(scope="module")
def kitchen(server: PostgresServer) -> Iterator[Urls]:
    with Templates(server, "recipes").create() as urls:
        fill(urls)
        yield urls


@pytest.fixture(scope="module")
def cooks(kitchen: Urls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    domain = replace(RECIPES, sql_path=write_sql(tmp_path_factory.mktemp("recipes")))
    with running_client(kitchen, domain, **SETTINGS, **NO_CAPS, **PATIENT) as client:
        yield client


@pytest.fixture(scope="module")
def slow(kitchen: Urls) -> RecipeReference:
    return RecipeReference(kitchen)


def test_every_ranking_agrees_with_the_reference(cooks: FlaskClient, slow: RecipeReference) -> None:
    strategies = set()
    for user in [*slow.users, "999"]:
        answer = get(cooks, user)
        strategies.add(answer["strategy"])
        assert answer["degraded"] == []
        expected = slow.rank(user)
        whole = whole_ranking(cooks, user)
        assert [item["id"] for item in whole] == [scored.item_id for scored in expected]
        for item, scored in zip(whole, expected, strict=True):
            for kind in ("recommendation_score", "content_score", "collaborative_score"):
                assert item[kind] == pytest.approx(getattr(scored, kind), abs=5.1e-5)
    assert {"hybrid", "content", "popular"} <= strategies


def test_answers_have_the_fields_of_the_domain(cooks: FlaskClient, slow: RecipeReference) -> None:
    for item in whole_ranking(cooks, slow.users[0]):
        assert list(item)[:5] == ["id", "name", "minutes", "cuisine", "ingredients"]
        assert item["name"] == f"Dish {item['id']}"
        assert {name.casefold() for name in item["ingredients"]} == slow.genres_of_items.get(
            item["id"], set()
        )
        assert item["cuisine"] in {"Thai", "THAI", "French", None}


def test_filters_are_those_of_the_domain(cooks: FlaskClient, slow: RecipeReference) -> None:
    user = slow.users[7]
    whole = whole_ranking(cooks, user)

    def filtered(**filters: Any) -> list[str]:
        return [item["id"] for item in get(cooks, user, limit=100, **filters)["recommendations"]]

    def wanted(check: Any) -> list[str]:
        found = [item["id"] for item in whole if check(item)]
        assert 0 < len(found) < len(whole)
        return found

    def has(item: dict[str, Any]) -> set[str]:
        return {name.casefold() for name in item["ingredients"]}

    assert filtered(cuisine="thai") == wanted(lambda item: (item["cuisine"] or "").casefold() == "thai")
    assert filtered(exclude_cuisine="Thai") == wanted(lambda item: item["cuisine"] in {"French", None})
    assert filtered(max_minutes=30) == wanted(lambda item: item["minutes"] in {15, 30})
    assert filtered(ingredient=["BASIL", "egg"]) == wanted(lambda item: has(item) & {"basil", "egg"})
    assert filtered(ingredient=["BASIL", "egg"], match="all") == wanted(
        lambda item: has(item) >= {"basil", "egg"}
    )
    response = cooks.get(f"/api/recommendations/{user}?genre=drama")
    assert response.get_json()["code"] == "unknown_parameter"


def test_batches_previews_popular_and_similar_items_are_served_too(
    cooks: FlaskClient, slow: RecipeReference
) -> None:
    batch = cooks.post("/api/recommendations/batch", json={"user_ids": slow.users[:20]}).get_json()
    for user in slow.users[:20]:
        assert batch["results"][user]["recommendations"] == get(cooks, user)["recommendations"]
    (most, count) = max(
        ((item, count) for item, count in slow.popularity.items() if item in slow.catalog),
        key=lambda found: (found[1], [-ord(digit) for digit in found[0]]),
    )
    first = cooks.get("/api/recipes/popular?limit=1").get_json()["media"][0]
    assert (first["id"], first["user_count"]) == (most, count)
    similar = cooks.get(f"/api/recipes/{most}/similar?limit=100").get_json()
    assert similar["strategy"] == "collaborative"
    for item in similar["similar"]:
        assert item["similarity"] == pytest.approx(slow.cosine(most, item["id"]), abs=5.1e-5)
    preview = cooks.post(
        "/api/recommendations/preview", json={"genres": ["BASIL"], "liked": [most]}
    ).get_json()
    assert (preview["strategy"], preview["degraded"]) == ("hybrid", [])
    assert cooks.get("/api/media/popular").status_code == 404


def test_the_description_and_the_explorer_speak_of_its_attributes(
    cooks: FlaskClient, slow: RecipeReference
) -> None:
    contract = Contract(cooks.get("/openapi.json").get_json())
    OpenAPIV31SpecValidator(contract.document).validate()
    for _, _, _, media_type in contract.media_types():
        for example in media_type["examples"].values():
            contract.validate(media_type["schema"], example["value"])
    user = slow.users[7]
    contract.check("getRecommendations", cooks.get(f"/api/recommendations/{user}?explain=true"))
    contract.check("getPopular", cooks.get("/api/recipes/popular?max_minutes=30"))
    page = cooks.get(f"/explorer/users/{user}").text
    assert 'name="exclude_cuisine"' in page
    assert "Dish 10" in page


def test_explanations_are_in_the_words_of_the_domain(cooks: FlaskClient, slow: RecipeReference) -> None:
    reasons = [
        item["reason"]
        for user in slow.users[:20]
        for item in get(cooks, user, explain="true")["recommendations"]
    ]
    assert any("loved or cooked it" in reason for reason in reasons)
    assert any(reason.startswith(("Because you loved ", "Because you cooked ")) for reason in reasons)
    assert not any("watched" in reason for reason in reasons)
