"""Tests that the description and Swagger UI are public and load nothing from other origins."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from config.access_settings import KeyScope
from recommender.auth_keys import make_key
from recommender.entities import DatabaseName
from tests.support.clients import running_client

_, ENTRY = make_key("frontend", [KeyScope.READ])
ASSETS = ["favicon-32x32.png", "reader.css", "reader.js", "swagger-ui-bundle.js", "swagger-ui.css"]


@pytest.fixture(scope="module")
def guarded() -> Iterator[FlaskClient]:
    """A service with keys, and a rate limit that two requests exceed."""
    nowhere = dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere")
    with running_client(nowhere, API_KEYS=ENTRY.entry, RATE_LIMIT="1/hour") as client:
        yield client


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", *[f"/docs/{name}" for name in ASSETS]])
def test_docs_pages_need_no_key_and_are_revalidated(guarded: FlaskClient, path: str) -> None:
    first = guarded.get(path, buffered=True)
    assert first.status_code == 200
    assert first.headers["Cache-Control"] == "no-cache"
    again = guarded.get(path, headers={"If-None-Match": first.headers["ETag"]}, buffered=True)
    assert (again.status_code, again.data) == (304, b"")
    changed = guarded.get(path, headers={"If-None-Match": '"another"'}, buffered=True)
    assert changed.status_code == 200


def test_the_page_names_every_asset_and_no_other_origin(guarded: FlaskClient) -> None:
    page = guarded.get("/docs", buffered=True)
    assert page.mimetype == "text/html"
    assert "<title>Marquee API</title>" in page.text
    assert all(f'"docs/{name}"' in page.text for name in ASSETS)
    assert "//" not in page.text
    assert "<style" not in page.text


def test_the_page_may_run_and_load_only_its_own_files(guarded: FlaskClient) -> None:
    policy = guarded.get("/docs", buffered=True).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    "path", ["/docs//", "/docs/x", "/docs/reader.html", "/docs/..%2fpages.py", "/docs/a/b"]
)
def test_no_other_paths_are_served_below_docs(guarded: FlaskClient, path: str) -> None:
    assert guarded.get(path).status_code in (401, 404, 429)
