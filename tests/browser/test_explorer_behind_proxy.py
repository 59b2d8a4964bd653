"""Tests the explorer behind a proxy that answers instead of the service."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browser import Visit

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
