"""Tests the shape of the answers."""

import pytest
from flask.testing import FlaskClient

from app import create_app
from recommender.databases.recording import recorded_statements
from tests.support.clients import NO_CAPS, get, ids, post_batch, running_client, settings_for
from tests.support.postgres import Urls
from tests.support.reference import Reference

ITEM_KEYS = [
    "id",
    "title",
    "description",
    "release_year",
    "media_type",
    "cover_url",
    "genres",
    "recommendation_score",
    "content_score",
    "collaborative_score",
]


def test_health_says_that_the_service_is_alive_and_touches_no_database() -> None:
    nowhere = dict.fromkeys(("user_db", "catalog_db", "engagement_db"), "postgresql://localhost:1/nowhere")
    app = create_app(settings_for(nowhere))  # type: ignore[arg-type]  # names are strings to it
    with recorded_statements() as statements:
        response = app.test_client().get("/health")
    assert response.status_code == 200
    assert response.get_json() == {"status": "healthy", "service": "ml-service", "version": "1.0.0"}
    assert statements == []


def test_a_recommendation_answer_has_the_documented_keys_in_order(
    client: FlaskClient, reference: Reference
) -> None:
    answer = get(client, reference.users[0], limit=3, offset=2)
    assert list(answer) == [
        "user_id",
        "recommendations",
        "count",
        "limit",
        "offset",
        "strategy",
        "degraded",
        "model",
        "model_version",
        "index",
    ]
    assert (answer["user_id"], answer["limit"], answer["offset"]) == (reference.users[0], 3, 2)
    assert answer["count"] == 3
    assert [list(item) for item in answer["recommendations"]] == [ITEM_KEYS] * 3


def test_limit_is_10_and_offset_0_unless_given(client: FlaskClient, reference: Reference) -> None:
    answer = get(client, reference.users[0])
    assert (answer["count"], answer["limit"], answer["offset"]) == (10, 10, 0)
    assert answer == get(client, reference.users[0], limit=10, offset=0)


def test_scores_are_rounded_to_four_decimals(client: FlaskClient, reference: Reference) -> None:
    scores = [
        item[key]
        for user in reference.users[:20]
        for item in get(client, user, limit=50)["recommendations"]
        for key in ("recommendation_score", "content_score", "collaborative_score")
    ]
    assert all(score == round(score, 4) and 0 <= score <= 1 for score in scores)
    assert any(score not in (0.0, 0.4, 0.6, 1.0) for score in scores)


def test_genres_of_an_item_are_distinct_without_regard_to_case(
    client: FlaskClient, reference: Reference
) -> None:
    items = [item for user in reference.users[:5] for item in get(client, user, limit=100)["recommendations"]]
    for item in items:
        folded = [genre.casefold() for genre in item["genres"]]
        assert folded == sorted(set(folded))
        assert set(folded) == reference.genres_of_items.get(item["id"], set())
    assert any(item["genres"] for item in items)


def test_an_offset_past_the_end_is_an_empty_page(client: FlaskClient, reference: Reference) -> None:
    answer = get(client, reference.users[0], offset=len(reference.catalog))
    assert (answer["recommendations"], answer["count"], answer["degraded"]) == ([], 0, [])


def test_a_user_id_in_capitals_is_the_same_user_answered_in_lower_case(
    client: FlaskClient, reference: Reference
) -> None:
    user = reference.users[0]
    assert get(client, user.upper()) == get(client, user)
    assert get(client, user.upper())["user_id"] == user


def test_a_batch_answers_repeated_ids_once_in_the_order_of_the_request(
    client: FlaskClient, reference: Reference
) -> None:
    first, second = reference.users[5], reference.users[3]
    answer = post_batch(client, [first, second.upper(), first, second], limit=2)
    assert list(answer) == ["results", "total_users"]
    assert list(answer["results"]) == [first, second]
    assert answer["total_users"] == 2
    for result in answer["results"].values():
        assert list(result) == [
            "recommendations",
            "count",
            "strategy",
            "degraded",
            "model",
            "model_version",
            "index",
        ]
        assert result["count"] == 2


@pytest.mark.parametrize("users", [1, 50, 280])
def test_the_number_of_statements_does_not_depend_on_the_number_of_users(
    client: FlaskClient, reference: Reference, users: int
) -> None:
    asked = reference.users[:users]
    get(client, asked[0])
    with recorded_statements() as statements:
        post_batch(client, asked)
    assert sorted({run.name for run in statements}) == [
        "catalog_db.fetch_media",
        "engagement_db.fetch_histories",
        "engagement_db.fetch_media_of_users",
        "engagement_db.fetch_users_of_media",
        "user_db.fetch_genre_preferences",
    ]
    chunks = -(-users // 100)
    assert len(statements) == 5 * chunks


def test_a_batch_of_500_runs_at_most_5_statements_for_each_100(
    client: FlaskClient, reference: Reference
) -> None:
    strangers = [f"00000000-0000-4000-8000-{number:012}" for number in range(500 - len(reference.users))]
    with recorded_statements() as statements:
        answer = post_batch(client, [*reference.users, *strangers], limit=100)
    assert answer["total_users"] == 500
    assert len(statements) <= 5 * 5


def test_a_get_runs_at_most_five_statements_for_any_history(
    client: FlaskClient, reference: Reference
) -> None:
    by_history = sorted(reference.users, key=lambda user: len(reference.seen.get(user, ())))
    for user in (by_history[0], by_history[len(by_history) // 2], by_history[-1]):
        with recorded_statements() as statements:
            get(client, user, limit=100)
        assert len(statements) <= 5


def test_limits_are_settings(shared_databases: Urls, reference: Reference) -> None:
    with running_client(shared_databases, MAX_LIMIT="5", MAX_BATCH_USERS="2", **NO_CAPS) as client:
        user = reference.users[0]
        assert client.get(f"/api/recommendations/{user}?limit=6").status_code == 400
        response = client.post("/api/recommendations/batch", json={"user_ids": reference.users[:3]})
        assert "1 to 2 ids" in response.get_json()["error"]
        assert len(ids(get(client, user, limit=5))) == 5
        # The default of 10 is above the maximum, so the maximum applies.
        assert len(ids(get(client, user))) == 5


def test_cross_origin_requests_are_allowed_for_the_configured_origins_only(shared_databases: Urls) -> None:
    with running_client(shared_databases, CORS_ORIGINS="https://a.example, https://b.example") as client:
        for origin, allowed in [("https://a.example", True), ("https://c.example", False)]:
            headers = client.get("/health", headers={"Origin": origin}).headers
            assert headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    with running_client(shared_databases) as client:
        headers = client.get("/health", headers={"Origin": "https://a.example"}).headers
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("users", "limit", "explain", "weight"),
    [(200, 100, True, "100000"), (101, 100, True, "50500"), (500, 21, True, "52500")],
)
def test_a_batch_that_is_too_large_for_one_answer_is_refused(
    client: FlaskClient, users: int, limit: int, weight: str, *, explain: bool
) -> None:
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(users)]
    body = {"user_ids": ids, "limit": limit, "explain": explain}
    response = client.post("/api/recommendations/batch", json=body)
    assert (response.status_code, response.get_json()["code"]) == (400, "invalid_body")
    for number in (f"{users} x {limit}", weight, "50000", "application/x-ndjson"):
        assert number in response.get_json()["error"]
    for fitting in ({**body, "explain": False, "limit": 10}, {**body, "user_ids": ids[:2]}):
        assert client.post("/api/recommendations/batch", json=fitting).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "mimetype"),
    [
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/json;q=0.5, application/x-ndjson;q=0.1", "application/json"),
        ("application/json, application/x-ndjson", "application/json"),
        ("application/x-ndjson, application/json;q=0.5", "application/x-ndjson"),
        ("application/x-ndjson;q=0", "application/json"),
        ("application/json, application/x-ndjson; q=0.0", "application/json"),
        ("*/*", "application/json"),
        ("application/x-ndjson; charset=utf-8", "application/x-ndjson"),
        ("application/json;charset=utf-8, application/x-ndjson;q=0.5", "application/json"),
        ("application/x-ndjson, */*", "application/x-ndjson"),
        ("application/x-ndjson;q=0.1, */*", "application/json"),
        ("application/x-ndjson;q=0.5, application/*;q=0.2", "application/x-ndjson"),
        # A client that does not name NDJSON may not know it.
        ("application/*, application/json;q=0.5", "application/json"),
        ("text/html", "application/json"),
        ('application/x-ndjson;profile="a;b,c", */*;q=0.5', "application/x-ndjson"),
    ],
)
def test_a_batch_is_streamed_if_ndjson_is_accepted(
    client: FlaskClient, reference: Reference, accepted: str, mimetype: str
) -> None:
    body = {"user_ids": reference.users[:2], "limit": 1}
    response = client.post("/api/recommendations/batch", json=body, headers={"Accept": accepted})
    assert response.mimetype == mimetype


@pytest.mark.parametrize("depth", [1, 200, 1_000])
@pytest.mark.parametrize("name", ["limit", "user_ids", "genre", "explain", "content_weight"])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}")])
def test_nested_lists_of_any_depth_are_refused(
    client: FlaskClient, name: str, depth: int, start: str, end: str
) -> None:
    body = f'{{"user_ids": [], "{name}": {start * depth}1{end * depth}}}'
    response = client.post("/api/recommendations/batch", data=body, content_type="application/json")
    assert response.status_code == 400
    assert len(response.get_json()["error"]) < 300


@pytest.mark.parametrize("own", ["https://[::1]:8443", "http://[2001:db8::7]", "https://a.example"])
def test_only_the_exact_origin_is_allowed(shared_databases: Urls, own: str) -> None:
    with running_client(shared_databases, CORS_ORIGINS=own) as client:

        def allowed(origin: str) -> str | None:
            headers = client.get("/health", headers={"Origin": origin}).headers
            return headers.get("Access-Control-Allow-Origin")

        assert allowed(own) == own
        for other in (
            f"{own}.evil.example",
            f"{own}0",
            own[:-1],
            "https://1",
            "http://2",
            "https://aXexample",
        ):
            assert allowed(other) is None


def test_pages_of_other_origins_may_send_and_read_the_id_of_a_request(shared_databases: Urls) -> None:
    origin = {"Origin": "https://a.example"}
    asked = {
        **origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "x-request-id",
    }
    with running_client(shared_databases, CORS_ORIGINS="https://a.example") as client:
        assert (
            client.options("/health", headers=asked).headers["Access-Control-Allow-Headers"] == "x-request-id"
        )
        exposed = client.get("/health", headers=origin).headers["Access-Control-Expose-Headers"]
    assert "X-Request-ID" in exposed.split(", ")
