"""Tests ids in paths that hold a slash, or bytes that are no text."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.support.clients import PATIENT, running_client
from tests.support.postgres import Urls

PREFIX = "/api/recommendations"
SLASHED = ["tenant/42", "/42", "42/", "a//b", "a/\nb", "batch/42", "preview/", "42/similar"]


@pytest.fixture(scope="module")
def loose(shared_databases: Urls) -> Iterator[FlaskClient]:
    patterns = {"ID_PATTERN": r"(?s)[^ ]{1,20}", "MEDIA_ID_PATTERN": r"(?s)[^ ]{1,20}"}
    with running_client(shared_databases, **patterns, **PATIENT) as client:
        yield client


@pytest.mark.parametrize("user", SLASHED)
def test_a_user_whose_id_holds_a_slash_gets_the_same_by_get_and_in_a_batch(
    loose: FlaskClient, user: str
) -> None:
    batch = loose.post(f"{PREFIX}/batch", json={"user_ids": [user], "limit": 2}).get_json()
    # Proxies may decode %2F, too.
    for written in (quote(user, safe=""), quote(user)):
        answer = loose.get(f"{PREFIX}/{written}?limit=2")
        assert answer.status_code == 200
        assert answer.get_json()["user_id"] == user
        assert answer.get_json()["recommendations"] == batch["results"][user]["recommendations"]
    assert loose.post(f"{PREFIX}/{quote(user, safe='')}").status_code == 405


@pytest.mark.parametrize("item", SLASHED)
def test_an_item_whose_id_holds_a_slash_is_looked_up(loose: FlaskClient, item: str) -> None:
    response = loose.get(f"/api/media/{quote(item, safe='')}/similar")
    assert (response.status_code, response.get_json()["code"]) == (404, "media_not_found")


@pytest.mark.parametrize("user", SLASHED)
def test_the_explorer_shows_a_user_whose_id_holds_a_slash(loose: FlaskClient, user: str) -> None:
    path = f"/explorer/users/{quote(user, safe='')}"
    panel = loose.get(path)
    assert panel.status_code == 200
    assert panel.headers["HX-Push-Url"] == f"explorer?user={quote(user, safe='')}"
    assert f'hx-get="{path[1:]}/recommendations"' in panel.text
    ranking = loose.get(f"{path}/recommendations?limit=3")
    assert ranking.status_code == 200
    assert 'class="cards"' in ranking.text
    assert "hx-swap-oob" not in ranking.text.partition("</ol>")[0]
    similar = loose.get(f"/explorer/media/{quote(user, safe='')}/similar")
    assert "not in the catalog any more" in similar.text


def test_other_addresses_beside_ids_with_slashes_stay_as_they_are(loose: FlaskClient) -> None:
    for path in ("batch", "preview"):
        assert loose.get(f"{PREFIX}/{path}").status_code == 405
        assert loose.post(f"{PREFIX}/{path}", json={"x": 1}).get_json()["code"] == "invalid_body"
    assert loose.get("/api/media/popular?limit=1").get_json()["count"] == 1
    for path in ("/api/media/a/b", "/api/media/similar", f"{PREFIX}/", "/api/nothing"):
        assert loose.get(path).get_json()["code"] == "not_found"
    response = loose.get(f"{PREFIX}/a/{'b' * 30}")
    assert (response.status_code, response.get_json()["code"]) == (400, "invalid_user_id")


def test_the_description_and_the_metrics_name_the_parameter_as_ever(loose: FlaskClient) -> None:
    assert loose.get(f"{PREFIX}/tenant%2F42").status_code == 200
    assert f"{PREFIX}/{{user_id}}" in loose.get("/openapi.json").get_json()["paths"]
    assert f'endpoint="{PREFIX}/<user_id>"' in loose.get("/metrics").text


@pytest.mark.parametrize("path", [f"{PREFIX}/%ff", f"{PREFIX}/a%C3", "/explorer/users/%ff"])
def test_an_id_that_is_not_utf_8_is_refused_whatever_the_pattern(loose: FlaskClient, path: str) -> None:
    response = loose.get(path)
    assert response.status_code == 400
    assert "user_id must be of the form" in response.text


def test_try_again_asks_for_the_same_id(shared_databases: Urls) -> None:
    path = "explorer/users/a%3Fb%25%23/c%C3%A9?genre=%26"
    with running_client(shared_databases, ID_PATTERN="[^ ]+", RATE_LIMIT="1/hour") as client:
        for _ in range(2):
            response = client.get(f"/{path}", headers={"HX-Target": "view"})
    assert response.status_code == 429
    assert f'hx-get="{path}"' in response.text
