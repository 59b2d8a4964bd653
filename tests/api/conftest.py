"""Fixtures for tests of the API."""

import pytest
from flask.testing import FlaskClient

from tests.support.contract import Contract


@pytest.fixture(scope="module")
def contract(client: FlaskClient) -> Contract:
    return Contract(client.get("/openapi.json").get_json())
