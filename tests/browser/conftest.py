"""Fixtures: one browser for the session, with a fresh profile for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.browser import Visit, chromium_binary, visiting
from tests.support.clients import PATIENT
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.postgres import Urls
from tests.support.reference import Reference

Visitor = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    binary = chromium_binary()
    with sync_playwright() as playwright:
        # CI runs as root, and Chromium's sandbox does not work as root.
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def service(shared_databases: Urls) -> Iterator[GunicornServer]:
    """Serve the shared databases with long timeouts, because a browser slows down searches.

    A search that takes too long is followed by one with caps, which ranks differently.
    """
    with running_gunicorn(shared_databases, **PATIENT) as service:
        yield service


@pytest.fixture
def visit(browser: Browser, service: GunicornServer) -> Iterator[Visitor]:
    """Open pages on the shared databases. Afterwards assert that none had errors."""
    visits: list[Visit] = []
    with ExitStack() as stack:

        def open_page(path: str = "/explorer", *, scheme: str = "light", width: int = 1280) -> Visit:
            visit = stack.enter_context(visiting(browser, service.port, scheme=scheme, width=width))
            visits.append(visit)
            visit.go(path)
            return visit

        yield open_page
    assert [complaint for visit in visits for complaint in visit.complaints] == []


@pytest.fixture(scope="session")
def user(reference: Reference) -> str:
    """Return a user with stated genres, and a history that overlaps with those of others."""
    return next(
        user
        for user in sorted(reference.seen)
        if reference.genres_of_user.get(user)
        and 8 < len(reference.seen[user]) < 40
        and all(each.collaborative_score > 0 for each in reference.rank(user)[:12])
    )
