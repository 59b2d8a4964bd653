"""A real browser on the explorer: Debian's Chromium, driven by Playwright."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.support.programs import installed

_SETTLING_MS = 300
_WATCH_SHIFTS = """
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifted += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
"""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def chromium_binary() -> str:
    """Return the path of Chromium."""
    return installed(
        # Without the windows of a desktop browser, a page takes a third of the CPU time.
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        package="chromium-headless-shell",
    )


@dataclass
class Visit:
    """A page, with its console errors and failed requests."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open an address of the service."""
        self.page.goto(f"{self.origin}{path}")

    @property
    def address(self) -> str:
        """Return path and query of the current page."""
        parts = urlsplit(self.page.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    @property
    def focused(self) -> str:
        """Return the id of the focused element, or else its text."""
        focused: str = self.page.evaluate(
            "document.activeElement.id || document.activeElement.textContent.trim()"
        )
        return focused

    def settle(self) -> None:
        """Wait until a slider's pause is over and its answer has arrived."""
        self.page.wait_for_timeout(_SETTLING_MS)
        expect(self.page.locator(".htmx-request")).to_have_count(0)

    def shifted(self) -> float:
        """Return the unrequested layout shift since the last call."""
        moved: float = self.page.evaluate("(() => { const moved = shifted; shifted = 0; return moved; })()")
        return moved

    def barriers(self) -> list[str]:
        """Return all violations that axe finds, of any impact, and their places."""
        # Loaded again, axe would be compiled again, which takes longer than its second run.
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        found: list[dict[str, Any]] = self.page.evaluate(
            "async (options) => (await axe.run(options)).violations",
            {"runOnly": _RULES, "resultTypes": ["violations"]},
        )
        return [
            f"{each['id']} ({each['impact']}): {[node['target'] for node in each['nodes']][:3]}"
            for each in found
        ]

    def barriers_of(self, variants: Iterable[tuple[str, int]]) -> list[str]:
        """Return what `barriers` returns in each scheme, light or dark, and width; the last one stays."""
        found = []
        for scheme, width in variants:
            self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            self.widen(width)
            found += [f"{scheme}, {width} wide: {barrier}" for barrier in self.barriers()]
        return found

    def widen(self, width: int) -> None:
        """Give the page a width in CSS pixels."""
        self.page.set_viewport_size({"width": width, "height": 900})

    def _hear(self, message: ConsoleMessage) -> None:
        # htmx logs requests that newer ones replace, which is intended.
        given_up = message.text.startswith(("htmx:afterRequest", "htmx:sendAbort", "htmx:abort"))
        if message.type in ("error", "warning") and not given_up:
            self.complaints.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:")):
            self.complaints.append(f"asked elsewhere: {request.url}")

    def watch(self) -> None:
        """Record console messages and every request."""
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"fault: {error}"))
        self.page.on("request", self._see)
        self.page.add_init_script(_WATCH_SHIFTS)


@contextmanager
def visiting(
    browser: Browser, port: int, *, prefix: str = "", scheme: str = "light", width: int = 1280
) -> Iterator[Visit]:
    """Open a fresh browser profile on a service, which a proxy may serve below a path prefix."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(10_000)
    try:
        visit = Visit(context.new_page(), f"http://127.0.0.1:{port}{prefix}")
        visit.watch()
        yield visit
    finally:
        context.close()
