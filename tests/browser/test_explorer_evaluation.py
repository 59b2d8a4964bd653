"""Tests the explorer's evaluation tab: navigation, content, accessibility, on a phone, and with a key."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from config.access_settings import KeyScope
from recommender.auth_keys import make_key
from recommender.evaluation.last_result import keep
from tests.support.browser import visiting
from tests.support.evaluation import small_evaluation
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls

READ_KEY, READ_ENTRY = make_key("page", [KeyScope.READ])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    keep(folder, small_evaluation())
    return folder


@pytest.fixture(scope="module")
def compared(shared_databases: Urls, models: Path) -> Iterator[GunicornServer]:
    with running_gunicorn(shared_databases, WORKERS="1", MODEL_PATH=str(models)) as server:
        yield server


def test_axe_finds_no_barriers_in_the_last_comparison(browser: Browser, compared: GunicornServer) -> None:
    with visiting(browser, compared.port) as here:
        here.go("/explorer")
        here.page.get_by_role("link", name="Evaluation").click()
        expect(here.page.get_by_role("heading", name="Which model is best for made up <&>")).to_be_visible()
        assert here.address == "/explorer?tab=evaluation"
        here.page.locator("summary").click()
        assert here.barriers_of(itertools.product(("light", "dark"), (1280, 390))) == []
        for width in (1280, 390):
            here.widen(width)
            # The image must have a height to be visible.
            drawn = here.page.locator(".plot svg").first.bounding_box()
            assert drawn is not None
            assert drawn["height"] >= 20
            assert drawn["width"] >= 150
        for width in (1280, 768, 390, 320):
            here.widen(width)
            assert here.page.evaluate("document.documentElement.scrollWidth") <= width, width
        assert here.complaints == []


def test_links_lead_from_the_comparison_to_a_user_and_back(
    browser: Browser, compared: GunicornServer, user: str
) -> None:
    with visiting(browser, compared.port) as here:
        page = here.page
        here.go(f"/explorer?tab=evaluation&user={user}")
        expect(page.locator(".report")).to_be_visible()
        page.get_by_role("link", name="Recommendations").click()
        expect(page.locator(".card")).to_have_count(12)
        page.get_by_role("link", name="Evaluation").click()
        expect(page.locator(".report")).to_be_visible()
        page.get_by_label("Find a user").fill(user)
        page.locator("#found").get_by_text(user).click()
        expect(page.locator(".card")).to_have_count(12)
        expect(page.locator("#tabs [aria-current]")).to_have_text("Recommendations")
        assert here.complaints == []


def test_with_keys_the_comparison_needs_a_key(browser: Browser, shared_databases: Urls, models: Path) -> None:
    variables = {"WORKERS": "1", "MODEL_PATH": str(models), "API_KEYS": READ_ENTRY.entry}
    with (
        running_gunicorn(shared_databases, **variables) as server,
        visiting(browser, server.port) as here,
    ):
        page = here.page
        here.go("/explorer?tab=evaluation")
        expect(page.locator("#evaluation").get_by_role("alert")).to_contain_text("A valid API key")
        page.locator("#key").fill(READ_KEY)
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator(".report .verdict")).to_be_visible()


def test_without_a_comparison_the_command_is_named(browser: Browser, service: GunicornServer) -> None:
    with visiting(browser, service.port, width=390) as here:
        here.go("/explorer?tab=evaluation")
        expect(here.page.locator("#evaluation")).to_contain_text("No comparison yet.")
        assert here.barriers() == []
        assert here.complaints == []
