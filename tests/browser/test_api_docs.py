"""Tests Swagger UI in a browser: complete, without errors or other origins, and able to send requests."""

from collections.abc import Iterator

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


class Reader:
    """Swagger UI in a page, with its console messages and requests."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self._origin = origin
        self._complaints: list[str] = []
        self._requested: list[str] = []
        page.on("console", lambda message: self._complaints.append(message.text))
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("requestfailed", lambda request: self._complaints.append(request.url))
        page.on("request", lambda request: self._requested.append(request.url))

    def open(self) -> None:
        """Wait until all operations are listed."""
        self.page.goto(f"{self._origin}/docs")
        expect(self.page.locator(".opblock")).to_have_count(OPERATIONS, timeout=PATIENCE_MS)

    def assert_undisturbed(self) -> None:
        """Assert that the console is empty and no request goes to another origin."""
        own = (f"{self._origin}/", "data:")
        assert [text for text in self._complaints if text != HARMLESS] == []
        assert [url for url in self._requested if not url.startswith(own)] == []
        assert f"{self._origin}/openapi.json" in self._requested


@pytest.fixture(scope="module")
def locked(shared_databases: Urls) -> Iterator[GunicornServer]:
    with running_gunicorn(shared_databases, API_KEYS=ENTRY.entry, WORKERS="1") as service:
        yield service


@pytest.fixture(scope="module")
def reader(browser: Browser, locked: GunicornServer) -> Iterator[Reader]:
    """Open the page once: drawing it takes seconds."""
    context = browser.new_context(color_scheme="light")
    reader = Reader(context.new_page(), f"http://127.0.0.1:{locked.port}")
    reader.open()
    yield reader
    context.close()


def test_every_operation_is_shown_completely(reader: Reader) -> None:
    page = reader.page
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
    reader.assert_undisturbed()


def test_colors_follow_the_scheme_and_with_a_key_requests_can_be_sent(reader: Reader) -> None:
    """Drawing the page again takes seconds, so that one reload does both."""
    page = reader.page
    root = page.locator("html")
    expect(root).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    page.emulate_media(color_scheme="dark")
    expect(root).to_have_css("background-color", "rgb(28, 32, 34)")
    expect(page.locator(".info .title")).to_have_css("color", "rgb(210, 214, 215)")
    page.locator(".auth-wrapper .authorize").click()
    dialog = page.locator(".dialog-ux")
    dialog.locator("input").first.fill(KEY)
    dialog.locator("button.authorize").first.click()
    dialog.locator("button.btn-done").first.click()
    expect(page.locator(".auth-wrapper .locked")).to_be_visible()
    page.locator("#operations-Recommendations-getRecommendations .opblock-summary-control").click()
    page.locator("button.execute").click()
    answer = page.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("200")
    expect(answer).to_contain_text('"recommendations"')
    page.reload()
    expect(root).to_have_css("background-color", "rgb(28, 32, 34)")
    expect(page.locator(".auth-wrapper .unlocked")).to_be_visible(timeout=PATIENCE_MS)
    page.emulate_media(color_scheme="light")
    expect(root).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    assert page.evaluate("localStorage.length") == 0
    reader.assert_undisturbed()
