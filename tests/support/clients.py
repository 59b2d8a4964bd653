"""The service in a test: settings from a mapping, the app with its pools, and whole rankings by paging."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from config.database_settings import url_variables
from config.settings import Settings, load_settings
from recommender.container import Container
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.entities import DatabaseName
from tests.support.postgres import Urls
from tests.support.processes import NO_MODELS
from tests.support.waiting import eventually

# Caps above all numbers in the test data, so that answers are exact.
NO_CAPS = {
    "HISTORY_ITEMS": "1000000",
    "USERS_PER_ITEM": "1000000",
    "SHORTLIST": "1000000",
    "ITEMS_PER_USER": "1000000",
}
_LOAD_WAIT_S = 5.0
# On a busy machine the first connection may take longer than POOL_TIMEOUT_MS.
_BUSY_LOAD_WAIT_S = 20.0
# Long timeouts, so that a slow machine does not look like an outage.
PATIENT = {"POOL_TIMEOUT_MS": "10000", "TIME_BUDGET_MS": "20000"}


def no_progress(rows: Iterable[Sequence[object]], label: str, length: int) -> Iterable[Sequence[object]]:
    assert label
    assert length >= 0
    return rows


def settings_for(urls: Urls, **variables: str) -> Settings:
    environment = url_variables(urls)
    # Tests make outages, so timeouts are short.
    patience = {"POOL_TIMEOUT_MS": "300"}
    # No trained model may answer for these databases.
    no_model = {"MODEL_PATH": NO_MODELS}
    return load_settings({**environment, **patience, **no_model, **variables}, dotenv_path=None)


@contextlib.contextmanager
def running_app(urls: Urls, domain: Domain = MEDIA, /, **variables: str) -> Iterator[Flask]:
    app = create_app(settings_for(urls, **variables), domain)
    try:
        yield app
    finally:
        app.extensions["container"].close()


@contextlib.contextmanager
def running_client(urls: Urls, domain: Domain = MEDIA, /, **variables: str) -> Iterator[FlaskClient]:
    with running_app(urls, domain, **variables) as app:
        # Wait as a worker does: a slow machine must not look like one without an index.
        container: Container = app.extensions["container"]
        container.open()
        container.wait_for_catalog(_LOAD_WAIT_S)
        if container.status.read().catalog is None and _lets_in(urls[DatabaseName.CATALOG]):
            is_patient = variables.items() >= PATIENT.items()
            wait_s = _BUSY_LOAD_WAIT_S if is_patient else _LOAD_WAIT_S
            eventually(lambda: container.status.read().catalog is not None, wait_s)
        yield app.test_client()


def _lets_in(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def get(client: FlaskClient, user_id: str, **arguments: Any) -> dict[str, Any]:
    response = client.get(f"/api/recommendations/{user_id}", query_string=arguments)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def healthy_answer(client: FlaskClient, user_id: str, **arguments: Any) -> dict[str, Any]:
    """Return an answer with nothing degraded; on a busy machine the first answers may be degraded.

    For tests that need the short timeouts of `settings_for`, and so cannot be `PATIENT`.
    """
    answers: list[dict[str, Any]] = []

    def healthy() -> bool:
        answers.append(get(client, user_id, **arguments))
        return not answers[-1]["degraded"]

    assert eventually(healthy), answers[-1]["degraded"]
    return answers[-1]


def post_batch(client: FlaskClient, user_ids: list[str], limit: int = 10) -> dict[str, Any]:
    response = client.post("/api/recommendations/batch", json={"user_ids": user_ids, "limit": limit})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    # As servers do: a large answer is counted then.
    response.close()
    return answer


def whole_ranking(client: FlaskClient, user_id: str) -> list[dict[str, Any]]:
    """Return the items of all pages of 100."""
    items: list[dict[str, Any]] = []
    while True:
        page = get(client, user_id, limit=100, offset=len(items))["recommendations"]
        items += page
        if len(page) < 100:
            return items


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["recommendations"]]
