"""Tests Swagger UI in a browser: complete, without errors or other origins, and able to send requests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from config.access_settings import KeyScope
from recommender.auth_keys import make_key
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls

KEY, ENTRY = make_key("reader", [KeyScope.READ])
OPERATIONS = 10
# Rendering all operations takes long on a busy machine.
PATIENCE_MS = 20_000
# Swagger UI's warning about a format without its own input; it shows a text field.
HARMLESS = "Could not find component: JsonSchema_string_uuid"


@pytest.fixture(scope="module")
def locked(shared_databases: Urls) -> Iterator[GunicornServer]:
    with running_gunicorn(shared_databases, API_KEYS=ENTRY.entry, WORKERS="1") as service:
        yield service


@contextmanager
def reading(browser: Browser, service: GunicornServer) -> Iterator[Page]:
    """Open the page. Assert that the console is empty and no request goes to another origin."""
    origin = f"http://127.0.0.1:{service.port}"
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{origin}/docs")
    expect(page.locator(".opblock")).to_have_count(OPERATIONS, timeout=PATIENCE_MS)
    yield page
    context.close()
    assert [text for text in complaints if text != HARMLESS] == []
    assert [url for url in requested if not url.startswith((f"{origin}/", "data:"))] == []
    assert f"{origin}/openapi.json" in requested


def test_every_operation_is_shown_completely(browser: Browser, locked: GunicornServer) -> None:
    with reading(browser, locked) as page:
        expect(page).to_have_title("Marquee API")
        with_example = 0
        # One after the other: each click draws all open operations again.
        for summary in page.locator(".opblock-summary-control").all():
            summary.click()
            expect(page.locator(".responses-wrapper")).to_have_count(1, timeout=PATIENCE_MS)
            with_example += page.get_by_text("One Gunslinger for Tbilisi").first.is_visible()
            expect(page.locator(".errors-wrapper")).to_have_count(0)
            summary.click()
            expect(page.locator(".responses-wrapper")).to_have_count(0)
        assert with_example > 0


def test_colors_follow_the_scheme_and_with_a_key_requests_can_be_sent(
    browser: Browser, locked: GunicornServer
) -> None:
    """Drawing the page takes seconds, so that one visit does both."""
    with reading(browser, locked) as page:
        expect(page.locator("html")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html")).to_have_css("background-color", "rgb(28, 32, 34)")
        expect(page.locator(".info .title")).to_have_css("color", "rgb(210, 214, 215)")
        page.reload()
        expect(page.locator("html")).to_have_css("background-color", "rgb(28, 32, 34)")
        page.emulate_media(color_scheme="light")
        expect(page.locator("html")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
        page.locator(".auth-wrapper .authorize").click()
        dialog = page.locator(".dialog-ux")
        dialog.locator("input").first.fill(KEY)
        dialog.locator("button.authorize").first.click()
        dialog.locator("button.btn-done").first.click()
        page.locator("#operations-Recommendations-getRecommendations .opblock-summary-control").click()
        page.locator("button.execute").click()
        answer = page.locator(".live-responses-table")
        expect(answer.locator(".response-col_status").last).to_contain_text("200")
        expect(answer).to_contain_text('"recommendations"')
        page.reload()
        expect(page.locator(".auth-wrapper .unlocked")).to_be_visible()
        assert page.evaluate("localStorage.length") == 0
