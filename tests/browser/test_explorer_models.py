"""Tests the explorer's models tab: comparisons, reasons, plots over time, on a phone."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from config.access_settings import KeyScope
from recommender.auth_keys import make_key
from recommender.model_store.currents import VersionRef
from recommender.model_store.runs import write_run
from tests.support.browser import visiting
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls
from tests.support.training_history import (
    CHALLENGER,
    DEFAULT,
    POPULARITY,
    publish_versions,
    record_history,
    run,
    variant,
)

READ_KEY, READ_ENTRY = make_key("page", [KeyScope.READ])
PATH = "/explorer?tab=models"
TABS = ("Recommendations", "Evaluation", "Models", "Health")
TURNING = "\u2069\u202e\u2067\u202e"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    record_history(folder)
    return folder


@pytest.fixture(scope="module")
def versions(folder: Path) -> list[VersionRef]:
    return publish_versions(folder)


@pytest.fixture(scope="module")
def trained(shared_databases: Urls, folder: Path, versions: list[VersionRef]) -> Iterator[GunicornServer]:
    assert versions
    with running_gunicorn(shared_databases, WORKERS="1", MODEL_PATH=str(folder), MODEL="live") as server:
        yield server


def opened(page: Page) -> Page:
    expect(page.locator("#models .verdict")).to_be_visible()
    page.locator("#models details").evaluate_all("(all) => all.forEach((each) => { each.open = true; })")
    return page


def test_axe_finds_no_barriers_and_the_page_does_not_scroll_sideways(
    browser: Browser, trained: GunicornServer
) -> None:
    with visiting(browser, trained.port) as here:
        here.go(PATH)
        page = opened(here.page)
        assert here.barriers_of(itertools.product(("light", "dark"), (1280, 320))) == []
        for width in (1280, 768, 390, 320):
            here.widen(width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, width
        assert here.complaints == []


def test_a_run_shows_what_was_compared_and_why_one_won(browser: Browser, trained: GunicornServer) -> None:
    with visiting(browser, trained.port) as here:
        here.go(PATH)
        page = here.page
        last = page.locator("#models details[open]")
        expect(last).to_have_count(1)
        expect(last.locator("summary")).to_have_text("Run 5, 2026-11-06 03:00: a new champion")
        expect(last).to_contain_text(f"{CHALLENGER} is significantly better than {DEFAULT}: ndcg@10 +0.0500.")
        expect(last).to_contain_text("Compared on 5,000 users and what happened from 2026-10-20 on.")
        rows = last.locator("tbody tr")
        expect(rows).to_have_count(4)
        expect(rows.nth(0)).to_contain_text(f"{CHALLENGER} serves")
        expect(rows.nth(0)).to_contain_text("0.1500 (0.1300 to 0.1700)")
        expect(rows.nth(0)).to_contain_text("+0.0500 (+0.0400 to +0.0600)")
        expect(rows.nth(1)).to_contain_text("the champion")
        expect(rows.nth(3)).to_contain_text("not measured: it needs 9,000 MB of memory")
        failed = page.locator("#models details", has_text="Run 4, 2026-11-05 03:00: failed")
        failed.locator("summary").click()
        expect(failed).to_contain_text("engagement_db does not answer.")
        assert here.complaints == []


def test_versions_say_which_is_the_champion_and_which_cannot_be_read(
    browser: Browser, trained: GunicornServer, versions: list[VersionRef]
) -> None:
    with visiting(browser, trained.port) as here:
        here.go(PATH)
        page = here.page
        expect(page.locator("#models .verdict")).to_contain_text(
            f"ease is the champion, version {versions[1].version}"
        )
        expect(page.locator("#models .verdict")).to_contain_text("This worker answers with live.")
        rows = page.get_by_role("region", name="Versions").locator("tbody tr")
        expect(rows).to_have_count(3)
        expect(rows.nth(0)).to_contain_text("metadata.json")
        expect(rows.nth(1)).to_contain_text("champion")
        expect(rows.nth(2)).to_contain_text("was champion before, answers where MODEL=neighbours")
        expect(rows.nth(2)).to_contain_text("100 users, 500 pairs, 20 media")


def test_plots_are_drawn_and_described_in_words(browser: Browser, trained: GunicornServer) -> None:
    with visiting(browser, trained.port) as here:
        here.go(PATH)
        page = here.page
        served = page.get_by_role("img", name="NDCG@10 of what served after each of the last 3 training runs")
        box = served.bounding_box()
        assert box is not None
        assert (box["width"] > 600, box["height"] > 200) == (True, True)
        assert served.locator(".mark").count() == 3
        assert served.locator(".mark.filled").count() == 1
        assert served.locator(".unmeasured").count() == 2
        left = [mark.bounding_box() for mark in served.locator(".mark").all()]
        places = [mark["x"] for mark in left if mark is not None]
        assert places == sorted(places)
        # The last run is the best, so its mark is above the others.
        heights = [mark["y"] for mark in left if mark is not None]
        assert heights[2] < heights[1] < heights[0]
        assert (
            served.locator(".mark.filled").evaluate("(mark) => getComputedStyle(mark).fill") != "rgb(0, 0, 0)"
        )
        assert served.locator(".date").all_text_contents() == [f"2026-11-0{day}" for day in (2, 3, 4, 5, 6)]
        compared = page.get_by_role("img", name="NDCG@10 of all that each training run compared")
        assert compared.locator(".mark").count() == 9
        legends = page.get_by_role("list", name="Legend")
        assert legends.nth(0).locator("bdi").all_inner_texts() == ["neighbours", "ease"]
        assert legends.nth(1).locator("bdi").all_inner_texts() == ["neighbours", "ease", POPULARITY]
        page.get_by_text("The figures of this plot").click()
        figures = page.get_by_role("region", name="The figures of what served").locator("tbody tr")
        expect(figures).to_have_count(3)
        expect(figures.nth(0)).to_contain_text(CHALLENGER)
        expect(figures.nth(2)).to_contain_text("0.1000 (0.0800 to 0.1200)")


def test_the_keyboard_reaches_tabs_plots_and_runs(browser: Browser, trained: GunicornServer) -> None:
    with visiting(browser, trained.port) as here:
        here.go("/explorer")
        page = here.page
        expect(page.locator(".welcome .users")).to_be_visible()
        for _ in range(5):
            page.keyboard.press("Tab")
        assert here.focused == "Models"
        page.keyboard.press("Enter")
        expect(page.locator("#models .verdict")).to_be_visible()
        reached: list[str] = []
        for _ in range(25):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
                )
            )
            if reached[-1].startswith("Run 4"):
                break
        assert any(name.startswith("NDCG@10 of what served") for name in reached)
        assert "What run 5 compared" in reached
        failed = page.locator("#models details", has_text="Run 4,")
        expect(failed).not_to_have_attribute("open", "")
        page.keyboard.press("Enter")
        expect(failed).to_have_attribute("open", "")


def test_all_tabs_fit_a_narrow_screen(browser: Browser, trained: GunicornServer, user: str) -> None:
    with visiting(browser, trained.port, width=320) as here:
        here.go(f"/explorer?user={user}")
        for tab in TABS:
            here.page.get_by_role("link", name=tab, exact=True).click()
            expect(here.page.locator("#tabs [aria-current]")).to_have_text(tab)
            shown = {"Recommendations": ".card", "Health": ".database"}.get(
                tab, f"#{tab.lower()} > :not(.skeleton)"
            )
            expect(here.page.locator(shown).first).to_be_visible()
            assert here.page.evaluate("document.documentElement.scrollWidth") <= 320, tab
        assert here.complaints == []


def test_names_with_markup_or_direction_stay_text(
    browser: Browser, shared_databases: Urls, tmp_path: Path
) -> None:
    name = f"<img src=x onerror=alert(1)>{TURNING}אבג"
    chosen, refused = variant(name, name, 0.1), variant(f"<b>{TURNING}", None)
    refused = refused.model_copy(update={"refused": f"<i>{TURNING}"})
    write_run(tmp_path, run(1, chosen, (refused,), reason=f"<script>alert(1)</script>{TURNING}", split=name))
    (model, version) = publish_versions(tmp_path)[1]
    metadata = tmp_path / model / version / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"made_by": "test"', '"made_by": "<u>test\\u202e"'))
    with (
        running_gunicorn(shared_databases, WORKERS="1", MODEL_PATH=str(tmp_path)) as server,
        visiting(browser, server.port) as here,
    ):
        here.go(PATH)
        page = opened(here.page)
        assert page.locator("#models").locator("img, script, b, i, u").count() == 0
        expect(page.locator("#models")).to_contain_text("<img src=x onerror=alert(1)>")
        expect(page.locator("#models")).to_contain_text("<script>alert(1)</script>")
        expect(page.locator("#models")).to_contain_text("<u>test")
        # Text after such a name is still set from left to right.
        edges = page.locator("#models th .better").evaluate_all(
            """(found) => found.map((each) => {
                const text = each.firstChild, range = document.createRange();
                const left = [...text.data].map((_, place) => {
                    range.setStart(text, place);
                    range.setEnd(text, place + 1);
                    return range.getClientRects()[0].left;
                });
                return left;
            })"""
        )
        assert edges
        assert all(left == sorted(left) for left in edges)
        assert here.barriers() == []
        assert here.complaints == []


def test_with_keys_the_models_need_a_key(browser: Browser, shared_databases: Urls, folder: Path) -> None:
    variables = {"WORKERS": "1", "MODEL_PATH": str(folder), "API_KEYS": READ_ENTRY.entry}
    with (
        running_gunicorn(shared_databases, **variables) as server,
        visiting(browser, server.port) as here,
    ):
        here.go(PATH)
        expect(here.page.locator("#models").get_by_role("alert")).to_contain_text("A valid API key")
        here.page.locator("#key").fill(READ_KEY)
        here.page.get_by_role("button", name="Use this key").click()
        expect(here.page.locator("#models .verdict")).to_be_visible()


def test_without_training_the_page_says_so(browser: Browser, service: GunicornServer) -> None:
    with visiting(browser, service.port) as here:
        here.go(PATH)
        expect(here.page.locator("#models")).to_contain_text("No trained model is published.")
        expect(here.page.locator("#models")).to_contain_text("No training run is recorded yet.")
        assert here.page.locator("svg.over-time").count() == 0
        assert here.barriers() == []
        assert here.complaints == []
