"""Tests that the page of a comparison is accessible, fits a phone, and requests nothing else."""

import itertools
from pathlib import Path

from playwright.sync_api import Browser

from recommender.evaluation.report import render_page
from tests.support.browser import Visit
from tests.support.evaluation import small_evaluation


def test_axe_finds_no_barriers_and_nothing_is_requested(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.html"
    path.write_text(render_page(small_evaluation()), encoding="utf-8")
    context = browser.new_context()
    try:
        here = Visit(context.new_page(), f"file://{tmp_path}")
        here.watch()
        requests: list[str] = []
        here.page.on("request", lambda request: requests.append(request.url))
        here.go("/evaluation.html")
        here.page.locator("summary").click()
        assert here.barriers_of(itertools.product(("light", "dark"), (1280, 390))) == []
        assert here.complaints == []
        assert requests == [f"file://{path}"]
        for width in (1280, 390):
            here.widen(width)
            assert here.page.evaluate("document.documentElement.scrollWidth") <= width, width
    finally:
        context.close()
