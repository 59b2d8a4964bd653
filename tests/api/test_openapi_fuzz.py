"""Tests that requests that the description allows or forbids are answered as described."""

import json
import re
from typing import Any

import pytest
import schemathesis
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# JSON Schema cannot express the first, and knows fewer blanks than Python.
INEXPRESSIBLE = re.compile(r"min_year must not be above max_year|1 to 100 characters")
EXAMPLES = 25


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_any_request_is_answered_as_described(client: FlaskClient, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", client.application).include(path_regex="^/api/")
    statuses = {}
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if not (list(operation.iter_parameters()) or operation.body):
            continue
        statuses[operation.label] = answered(operation.as_strategy(generation_mode=mode), mode)
    assert len(statuses) >= 6
    wanted = {200, 404} if mode is GenerationMode.POSITIVE else {400}
    assert all(seen & wanted for seen in statuses.values()), statuses


def answered(cases: SearchStrategy[Case[Any]], mode: GenerationMode) -> set[int]:
    """Check the answers against the description, and return their statuses."""
    seen = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=cases)
    def ask(case: Case[Any]) -> None:
        response = case.call()
        seen.add(response.status_code)
        case.validate_response(response, checks=CHECKS)
        if mode is GenerationMode.POSITIVE and response.status_code == 400:
            assert INEXPRESSIBLE.search(json.loads(response.content)["error"]), response.content

    ask()
    return seen
