"""Sliders change what they are moved for, and nothing else."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visit, visiting
from tests.support.clients import PATIENT
from tests.support.gunicorn import running_gunicorn
from tests.support.postgres import Urls


@pytest.fixture(scope="module")
def port(shared_databases: Urls) -> Iterator[int]:
    """Serve with a weight that a slider would round."""
    with running_gunicorn(shared_databases, CONTENT_WEIGHT="0.333", **PATIENT) as service:
        yield service.port


@pytest.fixture
def here(browser: Browser, port: int) -> Iterator[Visit]:
    with visiting(browser, port) as visit:
        yield visit


def test_weights_that_are_not_touched_stay_as_configured(here: Visit, user: str) -> None:
    here.go(f"/explorer?user={user}")
    expect(here.page.locator("output").first).to_have_text("0.33")
    here.page.get_by_label("Window").fill("0")
    here.settle()
    assert here.address == f"/explorer?user={user}&window_days=7"
    here.page.get_by_label("Content").fill("0.34")
    here.settle()
    assert here.address == f"/explorer?user={user}&content_weight=0.34&window_days=7"
    here.page.get_by_role("button", name="Reset").click()
    here.settle()
    assert here.address == f"/explorer?user={user}"


def test_a_weight_of_the_address_stays_as_given(here: Visit, user: str) -> None:
    here.go(f"/explorer?user={user}&content_weight=0.4567")
    expect(here.page.locator("output").first).to_have_text("0.46")
    here.page.get_by_label("Collaborative").fill("0.5")
    here.settle()
    assert here.address == f"/explorer?user={user}&content_weight=0.4567&collaborative_weight=0.5"
    assert here.complaints == []
