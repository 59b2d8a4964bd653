"""Tests the use of the explorer in a browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Visit

Visitor = Callable[..., Visit]


def titles(page: Page) -> list[str]:
    return page.locator(".card h3").all_inner_texts()


def sums(page: Page) -> list[tuple[float, float, float]]:
    """Return the shown score, content part and collaborative part of each card."""
    texts = page.locator(".sum").all_inner_texts()
    found = [re.findall(r"\d\.\d\d", text) for text in texts]
    return [(float(score), float(content), float(others)) for score, content, others in found]


def test_a_user_is_searched_and_picked(visit: Visitor, user: str) -> None:
    here = visit()
    page = here.page
    expect(page.locator(".welcome .users li")).to_have_count(8)
    page.get_by_label("Find a user").fill(user[:6].upper())
    expect(page.locator("#found li")).to_have_count(1)
    page.locator("#found").get_by_text(user).click()
    expect(page.locator("#who")).to_contain_text(user)
    expect(page).to_have_title(re.compile(user))
    assert here.address == f"/explorer?user={user}"
    expect(page.locator("#found")).to_be_hidden()
    expect(page.locator(".card")).to_have_count(12)
    expect(page.locator(".popular .row")).to_have_count(12)
    assert page.locator(".history li").count() > 5
    expect(page.locator(".strategy")).to_have_text("Hybrid")
    expect(page.locator(".made-of")).to_contain_text("engagement_db")
    expect(page.locator("#announcement")).to_contain_text("12 recommendations")


def test_covers_that_fail_to_load_are_replaced_by_placeholders(visit: Visitor, user: str) -> None:
    page = visit(f"/explorer?user={user}").page
    cover = page.locator(".card .poster").first
    expect(cover).to_be_visible()
    page.route("**/broken.jpg", lambda route: route.fulfill(body="no picture", content_type="image/jpeg"))
    cover.evaluate("(image) => { image.src = '/broken.jpg'; }")
    expect(cover).to_have_attribute("src", re.compile("^explorer/covers/"))
    expect(cover).to_have_js_property("naturalWidth", 300)


def test_surprise_shows_another_user_and_back_returns(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}")
    page = here.page
    expect(page.locator("#who")).to_contain_text(user)
    before = page.title()
    while page.title() == before:
        page.get_by_role("button", name="Surprise me").click()
        here.settle()
    expect(page.locator("#who")).not_to_contain_text(user)
    page.go_back()
    expect(page.locator("#who")).to_contain_text(user)
    assert here.address == f"/explorer?user={user}"


def test_sliders_re_rank_without_layout_shifts(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}")
    page = here.page
    expect(page.locator(".card")).to_have_count(12)
    before, scores = titles(page), sums(page)
    for score, content, others in scores:
        assert score == pytest.approx(content + others, abs=0.011)
    # Space is reserved for images that load lazily.
    assert here.shifted() < 0.01
    page.get_by_label("Content").fill("1")
    page.get_by_label("Collaborative").fill("0")
    here.settle()
    assert page.locator("output").all_inner_texts()[:2] == ["1.00", "0.00"]
    assert {others for _, _, others in sums(page)} == {0.0}
    assert titles(page) != before
    assert page.locator(".move").count() > 0
    assert here.address == f"/explorer?user={user}&content_weight=1&collaborative_weight=0"
    assert here.shifted() < 0.01
    page.get_by_role("button", name="Reset").click()
    here.settle()
    assert (titles(page), sums(page)) == (before, scores)
    assert here.address == f"/explorer?user={user}"
    assert page.locator(".move").count() == 0
    assert here.shifted() < 0.01


def test_a_filter_applies_until_reset(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}")
    page = here.page
    expect(page.locator(".card")).to_have_count(12)
    before = titles(page)
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("media type", exact=True).fill("series")
    here.settle()
    assert {text.split("·")[-1].strip() for text in page.locator(".card .meta").all_inner_texts()} == {
        "Series"
    }
    assert here.address == f"/explorer?user={user}&media_type=series"
    page.get_by_role("button", name="Reset").click()
    here.settle()
    assert titles(page) == before
    assert here.address == f"/explorer?user={user}"


def test_repeated_filters_stay_with_the_next_user(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}&genre=Drama&genre=Comedy")
    page = here.page
    expect(page.get_by_label("genre", exact=True)).to_have_count(2)
    page.get_by_role("button", name="Surprise me").click()
    expect(page.locator("#who")).not_to_contain_text(user)
    assert here.address.endswith("&genre=Drama&genre=Comedy")
    page.get_by_role("button", name="Reset").click()
    here.settle()
    assert "genre" not in here.address


def test_the_window_changes_the_ranking(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}")
    page = here.page
    expect(page.locator(".popular")).to_contain_text("90 days")
    before = sums(page)
    page.get_by_label("Window").fill("0")
    here.settle()
    expect(page.locator("output").nth(2)).to_have_text("7 days")
    expect(page.get_by_label("Window")).to_have_attribute("aria-valuetext", "7 days")
    expect(page.locator(".popular")).to_contain_text("7 days")
    assert sums(page) != before
    assert here.address.endswith("&window_days=7")


def test_a_shared_address_shows_the_same_page(visit: Visitor, user: str) -> None:
    query = f"user={user}&content_weight=1&collaborative_weight=0.25&window_days=30"
    page = visit(f"/explorer?{query}").page
    expect(page.locator(".card")).to_have_count(12)
    assert page.locator("output").all_inner_texts() == ["1.00", "0.25", "30 days"]
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_role("heading", name="Catalog index")).to_be_visible()
    page.get_by_role("link", name="Recommendations").click()
    expect(page.locator("#who")).to_contain_text(user)
    assert page.url.partition("?")[2] == query


def test_similar_items_open_and_give_the_focus_back(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}")
    page = here.page
    card = page.locator(".card").nth(2)
    title = card.locator("h3").inner_text()
    reason = card.locator(".reason").text_content()
    card.get_by_role("button").click()
    dialog = page.get_by_role("dialog", name="Similar media")
    expect(dialog.locator("#similar-of")).to_have_text(title)
    expect(dialog.locator("#similar-of")).to_be_focused()
    expect(dialog.locator("#similar-why")).to_have_text(reason or "")
    other = dialog.locator(".row").first.get_by_role("button")
    next_title = other.inner_text()
    other.click()
    expect(dialog.locator("#similar-of")).to_have_text(next_title)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert here.focused == title
    card.get_by_role("button").click()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_the_keyboard_alone_is_enough(visit: Visitor, user: str) -> None:
    here = visit()
    page = here.page
    expect(page.locator(".welcome .users li")).to_have_count(8)
    press = page.keyboard.press
    press("Tab")
    assert here.focused == "Skip to content"
    for _ in range(6):
        press("Tab")
    assert here.focused == "finder-input"
    page.keyboard.type(user)
    expect(page.locator("#found li")).to_have_count(1)
    press("ArrowDown")
    press("ArrowUp")
    press("ArrowDown")
    press("Enter")
    expect(page.locator("#who")).to_be_focused()
    for _ in range(2):
        press("Tab")
    assert here.focused == "content_weight"
    before = sums(page)
    press("End")
    here.settle()
    assert here.focused == "content_weight"
    assert sums(page) != before
    # Tab past the other sliders, Reset, and the closed filters.
    for _ in range(5):
        press("Tab")
    first = titles(page)[0]
    assert here.focused == first
    press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("#similar-of")).to_have_text(first)
    press("Escape")
    assert here.focused == first


def test_escape_leaves_the_list_of_matches(visit: Visitor) -> None:
    page = visit().page
    page.get_by_label("Find a user").click()
    expect(page.locator("#found li").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_be_hidden()


def test_health_is_updated_while_the_box_is_checked(visit: Visitor) -> None:
    page = visit("/explorer?tab=health").page
    expect(page.locator(".readiness")).to_have_text("Ready: answers are complete.")
    expect(page.locator(".database")).to_have_count(3)
    expect(page.locator("#health")).to_contain_text("Each worker has its own connection pools")
    page.get_by_label("Update every 5 seconds").uncheck()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("htmx.trigger('#health', 'refresh')")
    page.wait_for_timeout(200)
    assert asked == []
    page.get_by_label("Update every 5 seconds").check()
    page.evaluate("htmx.trigger('#health', 'refresh')")
    expect(page.locator(".readiness")).to_be_visible()
    assert len(asked) == 1


def test_nothing_overflows_at_any_width(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}")
    for path, there in (
        (None, ".card"),
        ("/explorer", ".welcome .users"),
        ("/explorer?tab=evaluation", "#evaluation .hint"),
        ("/explorer?tab=models", "#models .verdict"),
        ("/explorer?tab=health", ".database"),
        ("/", "h1"),
    ):
        if path is not None:
            here.go(path)
        expect(here.page.locator(there).first).to_be_visible()
        for width in (320, 390, 768, 1024, 1920):
            here.page.set_viewport_size({"width": width, "height": 900})
            assert here.page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


@pytest.mark.parametrize("wrong", ["user=nobody", "user=%3Cscript%3E"])
def test_an_invalid_address_gets_a_message(visit: Visitor, wrong: str) -> None:
    here = visit(f"/explorer?{wrong}")
    expect(here.page.get_by_role("alert")).to_contain_text("user_id must be a UUID")
    assert all("400" in complaint for complaint in here.complaints)
    here.complaints.clear()


def test_a_wrong_filter_in_the_address_can_be_corrected(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}&min_year=2030&max_year=1990")
    page = here.page
    expect(page.locator("#problem").get_by_role("alert")).to_contain_text("must not be above max_year")
    expect(page.locator("#who")).to_contain_text(user)
    page.get_by_label("min year").fill("1980")
    here.settle()
    expect(page.get_by_role("alert")).to_have_count(0)
    years = [int(text[:4]) for text in page.locator(".card .meta").all_inner_texts()]
    assert years
    assert all(1980 <= year <= 1990 for year in years)
    assert here.address == f"/explorer?user={user}&max_year=1990&min_year=1980"
    here.complaints.clear()


def test_an_unreachable_service_is_reported_and_the_page_stays(visit: Visitor, user: str) -> None:
    here = visit(f"/explorer?user={user}")
    page = here.page
    expect(page.locator(".card")).to_have_count(12)
    page.context.set_offline(offline=True)
    page.get_by_label("Content").fill("0.5")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(page.locator(".card")).to_have_count(12)
    page.context.set_offline(offline=False)
    page.get_by_label("Content").fill("0.6")
    expect(page.get_by_role("alert")).to_have_count(0)
    here.complaints.clear()
