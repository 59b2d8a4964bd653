"""Tests all pages with axe, in light and dark, wide and narrow."""

import itertools
from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.browser import Visit

Visitor = Callable[..., Visit]
TWO_VARIANTS = (("light", 1280), ("dark", 390))
VARIANTS = tuple(itertools.product(("light", "dark"), (1280, 390)))


def test_axe_finds_no_barriers_on_the_pages(visit: Visitor, user: str) -> None:
    here = visit("/explorer")
    page = here.page
    expect(page.locator(".welcome .users li")).to_have_count(8)
    assert here.barriers_of(TWO_VARIANTS) == []
    page.get_by_label("Find a user").fill(user[:2])
    expect(page.locator("#found").get_by_text(user)).to_be_visible()
    assert here.barriers_of(TWO_VARIANTS) == []
    here.go("/explorer?tab=health")
    expect(page.locator(".database")).to_have_count(3)
    assert here.barriers_of(TWO_VARIANTS) == []
    here.go("/")
    assert here.barriers_of(TWO_VARIANTS) == []


def test_axe_finds_no_barriers_in_recommendations(visit: Visitor, user: str) -> None:
    # More cards are alike, and axe takes its time with each.
    here = visit(f"/explorer?user={user}&content_weight=0.9&limit=4")
    expect(here.page.locator(".card")).to_have_count(4)
    assert here.barriers_of(VARIANTS) == []
    here.page.locator(".card .opener").first.click()
    expect(here.page.locator("#similar-of")).to_be_focused()
    assert here.barriers_of(VARIANTS) == []


def test_controls_are_large_enough(visit: Visitor, user: str) -> None:
    page = visit(f"/explorer?user={user}", width=390).page
    expect(page.locator(".card")).to_have_count(12)
    small = page.evaluate(
        """[...document.querySelectorAll("a, button, input:not([type=hidden]), summary")]
            .filter((each) => each.checkVisibility() && !each.matches(".opener, .skip"))
            .map((each) => [each.textContent.trim() || each.id, each.getBoundingClientRect()])
            .filter(([, box]) => box.width < 24 || box.height < 24)
            .map(([name, box]) => `${name} ${box.width} × ${box.height}`)"""
    )
    assert small == []
