"""Tests the explorer while answers are late or missing."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Route, expect

from tests.support.browser import Visit

Visitor = Callable[..., Visit]


@contextmanager
def held(page: Page, pattern: str) -> Iterator[list[Route]]:
    """Hold back the answers to requests; afterwards let them arrive, whether the page still waits or not."""
    routes: list[Route] = []

    # Playwright cannot inspect a method of a built-in type.
    def hold(route: Route) -> None:
        routes.append(route)

    page.route(re.compile(pattern), hold)
    yield routes
    for route in routes:
        route.continue_()
    page.unroute(re.compile(pattern))


def until(page: Page, routes: list[Route]) -> None:
    """Wait until a request is held back."""
    for _ in range(100):
        if routes:
            return
        page.wait_for_timeout(20)
    raise AssertionError("nothing was requested")


def first_users(page: Page) -> list[str]:
    users = page.locator(".welcome .users code")
    expect(users).to_have_count(8)
    return users.all_inner_texts()


def test_enter_opens_the_user_that_was_typed_and_not_one_of_an_earlier_list(visit: Visitor) -> None:
    page = visit().page
    *_, last = first_users(page)
    page.get_by_label("Find a user").focus()
    expect(page.locator("#found li")).to_have_count(8)
    page.keyboard.insert_text(last)
    page.keyboard.press("Enter")
    expect(page.locator("#who")).to_contain_text(last)
    # The same text again is another search, although the text of the last one was the same.
    page.get_by_label("Find a user").focus()
    expect(page.locator("#found li")).to_have_count(8)
    page.keyboard.insert_text(last)
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_be_hidden()
    expect(page.locator("#who")).to_contain_text(last)


def test_enter_does_not_count_for_what_is_typed_afterwards(visit: Visitor) -> None:
    page = visit().page
    first, *_ = first_users(page)
    page.get_by_label("Find a user").focus()
    expect(page.locator("#found li")).to_have_count(8)
    with held(page, "users[?]q=z"):
        page.keyboard.insert_text("z")
        page.keyboard.press("Enter")
        page.keyboard.press("Backspace")
        page.keyboard.insert_text(first)
        expect(page.locator("#found li")).to_have_count(1)
    expect(page.locator("#found li")).to_have_count(1)
    expect(page.locator(".welcome")).to_be_visible()


def test_of_two_users_the_one_picked_last_is_shown(visit: Visitor) -> None:
    here = visit()
    page = here.page
    first, second, *_ = first_users(page)
    with held(page, f"/users/{first}") as routes:
        page.get_by_text(first).click()
        until(page, routes)
        page.get_by_text(second).click()
        expect(page.locator("#who")).to_contain_text(second)
    with held(page, f"/users/{second}/recommendations") as routes:
        page.get_by_label("Content").fill("0.5")
        until(page, routes)
        page.get_by_role("button", name="Surprise me").click()
        expect(page.locator("#who")).not_to_contain_text(second)
        shown = page.locator("#who").inner_text()
    here.settle()
    expect(page.locator("#who")).to_have_text(shown, use_inner_text=True)
    assert second not in page.url


def test_the_dialog_shows_the_item_opened_last(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}")
    page = here.page
    cards = page.locator(".card")
    expect(cards).to_have_count(12)
    first, second = cards.locator("h3").all_inner_texts()[:2]
    body = page.locator("#similar-body")
    with held(page, "/similar$") as routes:
        cards.nth(0).get_by_role("button").click()
        until(page, routes)
        expect(body).to_have_attribute("aria-busy", "true")
        expect(body.locator(".skeleton")).to_be_visible()
        page.keyboard.press("Escape")
        cards.nth(1).get_by_role("button").click()
    expect(page.locator("#similar-of")).to_have_text(second)
    expect(body).to_have_attribute("aria-busy", "false")
    here.settle()
    expect(page.locator("#similar-of")).to_have_text(second)
    page.keyboard.press("Escape")
    # An answer to a dialog that was closed does not arrive any more.
    with held(page, "/similar$") as routes:
        cards.nth(0).get_by_role("button").click()
        until(page, routes)
        page.keyboard.press("Escape")
    here.settle()
    assert first not in body.inner_text()


def test_a_dialog_that_cannot_be_filled_says_so_and_tries_again(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}")
    page = here.page
    card = page.locator(".card").first
    title, reason = card.locator("h3").inner_text(), card.locator(".reason").text_content()
    page.context.set_offline(offline=True)
    card.get_by_role("button").click()
    body = page.locator("#similar-body")
    expect(body.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(body).to_have_attribute("aria-busy", "false")
    body.get_by_role("button", name="Try again").click()
    here.settle()
    expect(page.get_by_role("alert")).to_have_count(1)
    page.context.set_offline(offline=False)
    body.get_by_role("button", name="Try again").click()
    expect(page.locator("#similar-of")).to_have_text(title)
    expect(page.locator("#similar-why")).to_have_text(reason or "")
    here.complaints.clear()


def test_figures_of_an_unreachable_service_are_marked_as_stale(visit: Visitor) -> None:
    here = visit("/explorer?tab=health")
    page = here.page
    expect(page.locator(".readiness")).to_have_text("Ready: answers are complete.")
    expect(page.locator("#stale")).to_be_hidden()
    green = page.locator(".readiness").evaluate("(each) => getComputedStyle(each).color")
    page.context.set_offline(offline=True)
    page.evaluate("htmx.trigger('#health', 'refresh')")
    expect(page.locator("#stale")).to_contain_text(re.compile(r"last answer.* \d?\d:\d\d:\d\d"))
    for place in (".readiness", ".state"):
        color = page.locator(place).first.evaluate("(each) => getComputedStyle(each).color")
        assert color != green
    assert here.barriers() == []
    page.get_by_role("alert").evaluate("(notice) => { notice.id = 'said-once'; }")
    page.evaluate("htmx.trigger('#health', 'refresh')")
    here.settle()
    expect(page.locator("#said-once")).to_be_visible()
    page.context.set_offline(offline=False)
    page.evaluate("htmx.trigger('#health', 'refresh')")
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.locator(".readiness").evaluate("(each) => getComputedStyle(each).color") == green
    here.complaints.clear()


def test_a_page_that_cannot_be_filled_says_so_and_tries_again(visit: Visitor, user: str) -> None:
    here = visit()
    page = here.page
    page.route(re.compile(f"/users/{user}"), lambda route: route.abort())
    here.go(f"/explorer?user={user}")
    expect(page.locator("#view").get_by_role("alert")).to_contain_text("cannot be reached")
    expect(page.locator(".waiting")).to_have_count(0)
    page.unroute(re.compile(f"/users/{user}"))
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".card")).to_have_count(12)
    here.complaints.clear()


def test_try_again_asks_for_the_last_of_two_users_who_could_not_be_shown(visit: Visitor) -> None:
    here = visit()
    page = here.page
    first, second, *_ = first_users(page)
    users = re.compile("/users/")
    page.route(users, lambda route: route.abort())
    here.go(f"/explorer?user={first}")
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    page.get_by_label("Find a user").focus()
    with page.expect_event("requestfailed"):
        page.get_by_text(second).click()
    page.unroute(users)
    again.click()
    expect(page.locator("#who")).to_contain_text(second)
    here.complaints.clear()
