"""Tests that the API's description is valid, complete and true."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import create_app
from config.access_settings import KeyScope
from recommender import __version__
from recommender.api.errors import ERROR_KINDS, ErrorCode
from recommender.api.models import examples as examples_of_models
from recommender.api.recommendations import examples
from recommender.auth_keys import make_key
from recommender.entities import DatabaseName, Options, Page, UserRecommendations, Weights
from recommender.evaluation.variants import Fit, name_of
from recommender.models.registry import MODELS
from tests.support.clients import NO_CAPS, PATIENT, running_app, running_client, settings_for
from tests.support.contract import GUARDED, OF_OPS, REQUESTS, USER, WORKING, Contract
from tests.support.postgres import Urls
from tests.support.reference import Reference

NOWHERE: Urls = dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere")
_, READ_ENTRY = make_key("frontend", [KeyScope.READ])
_, OPS_ENTRY = make_key("monitor", [KeyScope.OPS])
KEYS = {"API_KEYS": f"{READ_ENTRY.entry},{OPS_ENTRY.entry}"}
# Pages for people, which the description leaves out.
PAGES = re.compile(r"/|/(docs|explorer)(/.*)?")
NDJSON = {"Accept": "application/x-ndjson"}


def described(**variables: str) -> dict[str, Any]:
    app = create_app(settings_for(NOWHERE, **variables))
    document: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    return document


@pytest.mark.parametrize(
    "variables", [{}, KEYS, {"ID_PATTERN": "[1-9][0-9]{0,18}"}], ids=["open", "keyed", "numbers"]
)
def test_the_description_is_valid_openapi(variables: dict[str, str]) -> None:
    document = described(**variables)
    OpenAPIV31SpecValidator(document).validate()
    assert document["info"]["version"] == __version__


@pytest.mark.parametrize(
    ("trusted", "sent", "servers"),
    [
        ("0", "/marquee", None),
        ("1", "", None),
        ("1", "/marquee", [{"url": "/marquee"}]),
        ("1", "/shop/marquee/", [{"url": "/shop/marquee"}]),
        ("1", "//elsewhere.example", None),
        ("1", '/"', None),
    ],
)
def test_the_description_states_the_path_below_which_a_trusted_proxy_serves(
    trusted: str, sent: str, servers: list[dict[str, str]] | None
) -> None:
    app = create_app(settings_for(NOWHERE, TRUSTED_PROXIES=trusted, ALLOW_ANONYMOUS="true"))
    document = app.test_client().get("/openapi.json", headers={"X-Forwarded-Prefix": sent}).get_json()
    assert document.get("servers") == servers
    OpenAPIV31SpecValidator(document).validate()


def test_no_text_repeats_itself() -> None:
    texts = list(texts_of(described()))

    assert len(texts) > 50
    assert [text for text in texts if has_repetition(text)] == []
    assert has_repetition("An unknown user gets popular media. An unknown user gets popular media.")


def texts_of(part: object) -> Iterator[str]:
    """Yield the titles and descriptions in a part of the document."""
    if isinstance(part, dict):
        yield from (part[key] for key in ("description", "summary") if isinstance(part.get(key), str))
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from texts_of(each)


def has_repetition(text: str, words: int = 5) -> bool:
    """Return whether a text has the same words in a row at two places."""
    found = text.split()
    runs = [tuple(found[start : start + words]) for start in range(len(found) - words + 1)]
    return len(set(runs)) < len(runs)


def test_every_route_is_described_and_no_other(client: FlaskClient, contract: Contract) -> None:
    served = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not PAGES.fullmatch(rule.rule)
        # This route exists only to refuse a method.
        and client.open(rule.rule, method=method).status_code != 405
    }
    assert {(found["method"], found["path"]) for found in contract.operations.values()} == served
    assert set(contract.operations) == set(REQUESTS), "each has an entry in REQUESTS"


def test_every_answer_has_valid_examples(contract: Contract) -> None:
    for name, status, content_type, media_type in contract.media_types():
        assert media_type["examples"], (name, status, content_type)
        for example in media_type["examples"].values():
            contract.validate(media_type["schema"], example["value"])


def test_every_error_is_described_with_the_status_it_has(contract: Contract) -> None:
    seen = set()
    for _, status, _, media_type in contract.media_types():
        for name, example in media_type["examples"].items():
            if name in set(ErrorCode):
                assert example["value"]["code"] == name
                assert int(status) == ERROR_KINDS[ErrorCode(name)].status
                seen.add(name)
    assert seen == set(ErrorCode)


def test_examples_of_requests_are_valid(contract: Contract, client: FlaskClient) -> None:
    for operation in contract.operations.values():
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] == "query" or "example" in parameter
            if "example" in parameter:
                contract.validate(parameter["schema"], parameter["example"])
        if "requestBody" in operation:
            media_type = operation["requestBody"]["content"]["application/json"]
            (example,) = media_type["examples"].values()
            contract.validate(media_type["schema"], example["value"])
            assert client.post(operation["path"], json=example["value"]).status_code == 200


def test_examples_of_trained_models_name_variants_and_hyperparameters_as_they_are() -> None:
    (run,) = examples_of_models.MODELS["trained"]["runs"]
    for compared in run["compared"]:
        fit = Fit(compared["model"], compared["hyperparameters"])
        MODELS[fit.model].make(fit.hyperparameters)
        blend = compared["blend"]
        weights = Weights(blend["content_weight"], blend["collaborative_weight"])
        assert compared["name"] == name_of(fit, weights, blend["content"])
    published = examples_of_models.MODELS["trained"]["versions"][0]
    MODELS[published["model"]].make(published["made"]["hyperparameters"])


def test_the_example_of_an_explanation_adds_up() -> None:
    answer = examples.ONE_USER["explained"]
    (item,), basis = answer["recommendations"], answer["basis"]
    product = item["similar_user_count"] * item["total_interaction_value"]
    assert item["collaborative_score"] == pytest.approx(product / basis["max_score"])
    shares = len(item["matched_genres"]) / len(basis["stated_genres"])
    assert item["content_score"] == pytest.approx(shares, abs=5e-5)
    parts = item["score_parts"]
    assert parts["content"] == pytest.approx(basis["content_weight"] * item["content_score"], abs=5e-5)
    assert parts["collaborative"] == basis["collaborative_weight"] * item["collaborative_score"]
    assert item["recommendation_score"] == pytest.approx(parts["content"] + parts["collaborative"])


def test_the_bounds_are_those_of_the_settings() -> None:
    bounds = {"MAX_LIMIT": "7", "MAX_BATCH_USERS": "8", "MAX_STREAM_USERS": "9"}
    document = described(ID_PATTERN="[0-9]+", **bounds)
    schemas = document["components"]["schemas"]
    user_id, limit, *_ = document["paths"]["/api/recommendations/{user_id}"]["get"]["parameters"]
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 7, "default": 7}
    assert user_id["schema"] == {"type": "string", "pattern": "^(?:[0-9]+)$"}
    assert "example" not in user_id, "ids of another form would be refused"
    assert schemas["PreviewBody"]["properties"]["limit"]["maximum"] == 7
    assert schemas["BatchBody"]["properties"]["user_ids"]["maxItems"] == 8
    assert schemas["StreamedBatchBody"]["properties"]["user_ids"]["maxItems"] == 9
    assert "limit must be a whole number from 1 to 7, got '0'" in json.dumps(document)


def test_id_forms_that_json_schema_cannot_express_are_described_in_words() -> None:
    document = described(ID_PATTERN="(?i)[0-9a-f]{24}")
    OpenAPIV31SpecValidator(document).validate()
    user_id, *_ = document["paths"]["/api/recommendations/{user_id}"]["get"]["parameters"]
    assert user_id["schema"] == {"type": "string", "description": "of the form (?i)[0-9a-f]{24}"}


def test_a_key_is_described_if_keys_are_set(contract: Contract) -> None:
    assert "securitySchemes" not in contract.document["components"]
    keyed = Contract(described(**KEYS))
    assert set(keyed.document["components"]["securitySchemes"]) == {"bearer", "header"}
    for name, operation in keyed.operations.items():
        scope = "ops" if name in OF_OPS else "read"
        wanted = [{"bearer": [scope]}, {"header": [scope]}] if name in GUARDED else None
        assert operation.get("security") == wanted
        assert "security" not in contract.operations[name]


def test_schemas_have_no_made_up_titles_and_are_all_in_use(contract: Contract) -> None:
    text = json.dumps(contract.document)
    for name, schema in contract.document["components"]["schemas"].items():
        assert f'"#/components/schemas/{name}"' in text
        assert "title" not in schema
        assert not [key for key, field in schema.get("properties", {}).items() if "title" in field], name


@pytest.mark.parametrize("explain", ["false", "true"])
def test_recommendations_are_as_described(
    client: FlaskClient, contract: Contract, reference: Reference, explain: str
) -> None:
    for user in [*reference.users[:20], USER]:
        path = f"/api/recommendations/{user}"
        for query in ("", "&offset=3&limit=100", "&genre=Drama&genre=action&min_year=1990", "&offset=9999"):
            response = client.get(f"{path}?explain={explain}{query}")
            assert response.status_code == 200
            contract.check("getRecommendations", response)
            answer = response.get_json()
            assert ("basis" in answer) == (explain == "true")
            assert all(("reason" in item) == (explain == "true") for item in answer["recommendations"])


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("headers", [{}, NDJSON], ids=["whole", "stream"])
def test_batches_are_as_described(
    client: FlaskClient, contract: Contract, reference: Reference, headers: dict[str, str], *, explain: bool
) -> None:
    body = {"user_ids": [*reference.users[:30], USER], "limit": 5, "explain": explain}
    response = client.post("/api/recommendations/batch", json=body, headers=headers)
    assert response.status_code == 200
    assert ("reason" in response.text) == explain
    contract.check("postBatch", response)


@pytest.mark.parametrize("explain", [False, True])
def test_previews_are_as_described(
    client: FlaskClient, contract: Contract, reference: Reference, *, explain: bool
) -> None:
    liked = [*list(reference.genres_of_items)[:5], USER]
    for body in ({}, {"genres": ["Drama"], "liked": liked}, {"genres": ["Drama"], "limit": 1}):
        response = client.post("/api/recommendations/preview", json={**body, "explain": explain})
        assert response.status_code == 200
        contract.check("postPreview", response)


def test_popular_and_similar_items_are_as_described(
    client: FlaskClient, contract: Contract, reference: Reference
) -> None:
    for query in ("", "?window_days=0&limit=100", "?window_days=30", "?media_type=movie&offset=2"):
        response = client.get(f"/api/media/popular{query}")
        assert response.status_code == 200
        contract.check("getPopular", response)
    answers = [
        client.get(f"/api/media/{item_id}/similar") for item_id in list(reference.genres_of_items)[:20]
    ]
    for response in answers:
        contract.check("getSimilar", response)
    assert 200 in {response.status_code for response in answers}


@pytest.mark.parametrize("name", sorted(set(REQUESTS) - set(WORKING)))
def test_answers_for_monitors_are_as_described(client: FlaskClient, contract: Contract, name: str) -> None:
    response = client.open(**REQUESTS[name])
    assert response.status_code == 200
    contract.check(name, response)


@pytest.mark.parametrize("missing", list(DatabaseName))
def test_answers_without_a_database_are_described_too(
    shared_databases: Urls, contract: Contract, reference: Reference, missing: DatabaseName
) -> None:
    urls = {**shared_databases, missing: NOWHERE[missing]}
    with running_client(urls) as client:
        for name, request in REQUESTS.items():
            contract.check(name, client.open(**request))
        contract.check("getRecommendations", client.get(f"/api/recommendations/{reference.users[0]}"))


def test_a_stream_that_breaks_off_is_described(
    shared_databases: Urls, contract: Contract, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_app(shared_databases, **NO_CAPS, **PATIENT) as app:
        service = app.extensions["container"].service
        in_chunks = service.recommend_in_chunks

        def breaking_off(
            user_ids: Sequence[str], page: Page, options: Options
        ) -> Iterator[Sequence[UserRecommendations]]:
            yield from in_chunks(user_ids[:1], page, options)
            raise RuntimeError

        monkeypatch.setattr(service, "recommend_in_chunks", breaking_off)
        response = app.test_client().post(
            "/api/recommendations/batch", json={"user_ids": reference.users[:3]}, headers=NDJSON
        )
    contract.check("postBatch", response)
    *_, last = response.data.splitlines()
    assert json.loads(last) == examples.LINE["broken_off"]
