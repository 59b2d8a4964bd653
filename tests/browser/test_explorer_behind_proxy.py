"""Tests the pages behind a proxy: below a path, and when the proxy answers instead of the service."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visit, visiting
from tests.support.clients import PATIENT
from tests.support.gunicorn import running_gunicorn
from tests.support.nginx import behind_nginx
from tests.support.postgres import Urls

Visitor = Callable[..., Visit]

_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"
FOREIGN = {
    "error page": {"status": 502, "content_type": "text/html", "body": _PAGE.format("502 Bad Gateway")},
    "page for a login": {"status": 200, "content_type": "text/html", "body": _PAGE.format("Log in")},
    "text": {"status": 503, "content_type": "text/plain", "body": "no healthy upstream"},
    "JSON": {"status": 404, "content_type": "application/json", "body": '{"code": "not_found"}'},
    "empty": {"status": 401, "headers": {"X-Request-ID": "of-the-proxy"}, "body": ""},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_an_answer_of_a_proxy_leaves_the_ranking_and_says_so(visit: Visitor, user: str, kind: str) -> None:
    here = visit(f"/explorer?user={user}")
    page = here.page
    expect(page.locator(".card")).to_have_count(12)
    title = page.title()
    answer: dict[str, Any] = FOREIGN[kind]
    page.route(re.compile("/recommendations"), lambda route: route.fulfill(**answer))
    page.get_by_label("Content").fill("0.5")
    expect(page.locator("#trouble").get_by_role("alert")).to_contain_text("cannot be reached")
    here.settle()
    expect(page.locator(".card")).to_have_count(12)
    expect(page.locator("#key-form")).to_be_hidden()
    assert page.title() == title
    page.unroute(re.compile("/recommendations"))
    page.get_by_label("Content").fill("0.6")
    expect(page.get_by_role("alert")).to_have_count(0)
    here.complaints.clear()


def test_an_answer_of_a_proxy_leaves_an_empty_page_with_a_button_to_try_again(
    visit: Visitor, user: str
) -> None:
    here = visit()
    page = here.page
    answer: dict[str, Any] = FOREIGN["error page"]
    page.route(re.compile(f"/users/{user}"), lambda route: route.fulfill(**answer))
    here.go(f"/explorer?user={user}")
    expect(page.locator("#view").get_by_role("alert")).to_contain_text("cannot be reached")
    assert "502" not in page.title()
    page.unroute(re.compile(f"/users/{user}"))
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".card")).to_have_count(12)
    here.complaints.clear()


def test_an_answer_of_a_proxy_marks_the_figures_of_the_health_page_as_stale(visit: Visitor) -> None:
    here = visit("/explorer?tab=health")
    page = here.page
    expect(page.locator(".readiness")).to_have_text("Ready: answers are complete.")
    answer: dict[str, Any] = FOREIGN["error page"]
    page.route(re.compile("/explorer/health"), lambda route: route.fulfill(**answer))
    page.evaluate("htmx.trigger('#health', 'refresh')")
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator(".readiness")).to_have_text("Ready: answers are complete.")
    page.unroute(re.compile("/explorer/health"))
    page.evaluate("htmx.trigger('#health', 'refresh')")
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.get_by_role("alert")).to_have_count(0)
    here.complaints.clear()


def test_below_a_path_of_a_proxy_all_pages_work(browser: Browser, shared_databases: Urls, user: str) -> None:
    variables = {"TRUSTED_PROXIES": "1", "ALLOW_ANONYMOUS": "true", "WORKERS": "1", **PATIENT}
    with (
        running_gunicorn(shared_databases, **variables) as server,
        behind_nginx(server, below_path=True) as proxied,
        visiting(browser, proxied.port, prefix="/marquee") as here,
    ):
        page = here.page
        here.go("/")
        page.get_by_role("link", name="Explorer").click()
        expect(page.locator(".wall img")).to_have_count(6)
        page.get_by_label("Find a user").fill(user)
        page.keyboard.press("Enter")
        expect(page.locator(".card")).to_have_count(12)
        assert here.address == f"/marquee/explorer?user={user}"
        page.get_by_label("Content").fill("0.5")
        here.settle()
        assert here.address == f"/marquee/explorer?user={user}&content_weight=0.5"
        page.locator(".card").first.get_by_role("button").click()
        expect(page.locator("#similar-body .row").first).to_be_visible()
        for cover in page.locator("#similar-body img").all():
            expect(cover).to_have_js_property("complete", value=True)
            assert cover.evaluate("(image) => image.naturalWidth") > 0
        page.keyboard.press("Escape")
        page.get_by_role("link", name="Health").click()
        expect(page.locator(".database")).to_have_count(3)
        page.go_back()
        expect(page.locator(".card")).to_have_count(12)
        page.get_by_role("link", name="Marquee", exact=True).click()
        page.get_by_role("link", name="Docs").click()
        # Rendering all operations takes long on a busy machine, and each click does so again.
        page.set_default_timeout(60_000)
        page.locator("#operations-Service-getHealth .opblock-summary-control").click()
        page.get_by_role("button", name="Execute").click()
        status = page.locator(".live-responses-table .response-col_status").last
        expect(status).to_contain_text("200", timeout=60_000)
        # Each request went below the path.
        assert [text for text in here.complaints if "JsonSchema_string_uuid" not in text] == []
