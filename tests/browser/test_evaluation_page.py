"""Tests that the page of a comparison is accessible, fits a phone, and requests nothing else."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from recommender.evaluation.report import render_page
from tests.support.browser import Visit
from tests.support.evaluation import small_evaluation


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 390), ("dark", 1280), ("light", 390)]
)
def test_axe_finds_no_barriers_and_nothing_is_requested(
    browser: Browser, tmp_path: Path, scheme: str, width: int
) -> None:
    path = tmp_path / "evaluation.html"
    path.write_text(render_page(small_evaluation()), encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    try:
        here = Visit(context.new_page(), f"file://{tmp_path}")
        here.watch()
        requests: list[str] = []
        here.page.on("request", lambda request: requests.append(request.url))
        here.go("/evaluation.html")
        here.page.locator("summary").click()
        assert here.barriers() == []
        assert here.complaints == []
        assert requests == [f"file://{path}"]
        assert here.page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        context.close()
