"""Tests the explorer while a database is down, and when a key is needed."""

import re

from playwright.sync_api import Browser, expect

from config.access_settings import KeyScope
from recommender.auth_keys import make_key
from recommender.entities import DatabaseName
from tests.support.browser import visiting
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Outage, Urls

USER, CATALOG, ENGAGEMENT = DatabaseName
READ_KEY, READ_ENTRY = make_key("page", [KeyScope.READ])
OPS_KEY, OPS_ENTRY = make_key("monitor", [KeyScope.OPS])


def test_an_outage_is_shown_until_it_is_over(
    browser: Browser, databases: Urls, outage: Outage, user: str
) -> None:
    with (
        running_gunicorn(databases, WORKERS="1", POOL_TIMEOUT_MS="300") as server,
        visiting(browser, server.port) as here,
    ):
        page = here.page
        here.go(f"/explorer?user={user}")
        expect(page.locator(".card")).to_have_count(12)
        expect(page.locator(".degraded")).to_have_count(0)
        outage.stop(ENGAGEMENT)
        page.get_by_label("Content").fill("0.5")
        expect(page.locator("#results .degraded")).to_contain_text("engagement_db does not answer")
        expect(page.locator("#announcement")).to_contain_text("Degraded: engagement_db missing")
        expect(page.locator(".strategy")).to_have_text("Content")
        expect(page.locator(".card")).to_have_count(12)
        page.get_by_role("link", name="Health").click()
        expect(page.locator(".readiness")).to_contain_text("Degraded")
        expect(page.locator(".database").nth(2)).to_contain_text("Down")
        page.get_by_role("button", name="Surprise me").click()
        expect(page.get_by_role("alert")).to_contain_text("engagement_db does not answer")
        outage.start(ENGAGEMENT)
        here.go(f"/explorer?user={user}")
        expect(page.locator(".card")).to_have_count(12)
        for _ in range(50):
            page.get_by_label("Content").press("ArrowRight")
            here.settle()
            if page.locator(".degraded").count() == 0:
                break
        expect(page.locator(".degraded")).to_have_count(0)
        expect(page.locator(".strategy")).to_have_text("Hybrid")
        # The outage must not cause errors in the console.
        assert [text for text in here.complaints if "503" not in text] == []


def test_without_javascript_nothing_looks_as_if_it_loads(browser: Browser, service: GunicornServer) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for path in ("/explorer", "/explorer?user=x", "/explorer?tab=health"):
        page.goto(f"http://127.0.0.1:{service.port}{path}")
        expect(page.locator("noscript .notice")).to_be_visible()
        for place in (".skeleton", ".blank", ".finder", ".top .button", "#keep-fresh"):
            for found in page.locator(place).all():
                expect(found).to_be_hidden()
    context.close()


def test_with_keys_the_page_asks_for_a_key(browser: Browser, shared_databases: Urls, user: str) -> None:
    entries = f"{READ_ENTRY.entry},{OPS_ENTRY.entry}"
    with (
        running_gunicorn(shared_databases, WORKERS="1", API_KEYS=entries) as server,
        visiting(browser, server.port) as here,
    ):
        page = here.page
        here.go(f"/explorer?user={user}")
        field = page.locator("#key")
        expect(field).to_be_focused()
        expect(field).to_have_attribute("type", "password")
        expect(page.locator("#view").get_by_role("alert")).to_contain_text("A valid API key")
        assert here.barriers() == []
        field.fill(OPS_KEY)
        page.keyboard.press("Enter")
        expect(page.locator("#key-problem")).to_contain_text("does not have the scope")
        field.fill(READ_KEY)
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator(".card")).to_have_count(12)
        expect(field).to_be_hidden()
        assert page.evaluate("localStorage.length") == 0
        assert READ_KEY not in page.url
        for text in here.complaints:
            assert re.search("40[13]", text), text
