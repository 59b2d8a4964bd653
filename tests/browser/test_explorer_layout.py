"""Tests that long texts and narrow windows leave the explorer readable."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import Visit

Visitor = Callable[..., Visit]
LONG = "Ungebrochen" * 9

# The least distance between the letters of neighboring headers in a line, in CSS pixels.
_LEAST_GAP = """
    () => {
        const boxes = (header) => {
            const range = document.createRange();
            range.selectNodeContents(header);
            return range.getBoundingClientRect();
        };
        const rows = [...document.querySelectorAll(".database thead tr")];
        return Math.min(...rows.flatMap((row) => {
            const found = [...row.children].map(boxes);
            return found.slice(1).map((box, place) => box.left - found[place].right);
        }));
    }
"""
# The focused button's whole card or row lies below the bar with the sliders.
_IS_HIDDEN = """
    () => {
        const bar = document.getElementById("tuning").getBoundingClientRect();
        const box = document.activeElement.getBoundingClientRect();
        return box.top < bar.bottom;
    }
"""


def replacing(page: Page, pattern: str, replace: Callable[[str], str]) -> None:
    """Change the answers to requests."""

    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=replace(response.text()))

    page.route(re.compile(pattern), answer)


def test_one_long_word_does_not_widen_the_page(visit: Visitor, user: str) -> None:
    here = visit(width=360)
    page = here.page
    replacing(page, f"/users/{user}", lambda html: re.sub(r"(<li[^>]*>)<bdi>[^<]*", rf"\1<bdi>{LONG}", html))
    here.go(f"/explorer?user={user}")
    expect(page.locator(".card")).to_have_count(12)
    for place in (".genres", ".chips"):
        expect(page.locator(f"{place} li").first).to_have_text(re.compile(LONG))
    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        wide = page.locator(".card, .row").evaluate_all(
            "(cards) => cards.filter((card) => card.scrollWidth > card.clientWidth + 1).length"
        )
        assert wide == 0


def test_headers_of_the_health_tables_do_not_run_together(visit: Visitor) -> None:
    page = visit("/explorer?tab=health").page
    expect(page.locator(".database")).to_have_count(3)
    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(_LEAST_GAP) >= 6, width


def test_the_bar_with_the_sliders_does_not_hide_the_focus(visit: Visitor, user: str) -> None:
    page = visit(f"/explorer?user={user}").page
    page.set_viewport_size({"width": 1440, "height": 800})
    openers = page.locator(".popular .opener")
    expect(openers).to_have_count(12)
    page.get_by_text("Filters", exact=True).click()
    openers.last.focus()
    for place in range(10, -1, -1):
        page.keyboard.press("Shift+Tab")
        expect(openers.nth(place)).to_be_focused()
        assert not page.evaluate(_IS_HIDDEN), place


@pytest.mark.parametrize("words", [1, 200])
def test_a_dialog_on_a_phone_begins_with_the_reason(visit: Visitor, user: str, words: int) -> None:
    here = visit(f"/explorer?user={user}", width=360)
    page = here.page
    page.set_viewport_size({"width": 360, "height": 700})
    replacing(
        page,
        "/similar$",
        lambda html: re.sub("(similar-of[^>]*>)<bdi>([^<]*)", rf"\1<bdi>{'Long ' * words}", html),
    )
    page.locator(".reason").first.evaluate("(reason) => reason.append(' and so on'.repeat(60))")
    page.locator(".card .opener").first.click()
    expect(page.locator("#similar-of")).to_be_focused()
    assert page.locator("#similar").evaluate("(dialog) => dialog.scrollTop") == 0
    assert page.locator("#similar-of").evaluate("(title) => title.offsetHeight") < 200
