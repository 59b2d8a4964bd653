"""Tests that generated clients can tell the types of the API's description apart."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest
from jsonschema import ValidationError

from recommender.api.recommendations import examples
from tests.support.contract import Contract


def test_the_types_in_a_union_of_answers_are_distinguishable(contract: Contract) -> None:
    # A generated client takes the first type that fits.
    answers = [contract.document["components"], *(found for *_, found in contract.media_types())]
    unions = [union for described in answers for union in unions_in(described)]
    assert unions
    for union in unions:
        for one, other in permutations(contract.objects(union), 2):
            assert set(one["required"]) - set(other["properties"]), union


def unions_in(schema: Any) -> Iterator[list[Any]]:
    """Yield the unions in schemas, at any depth."""
    if isinstance(schema, list):
        for item in schema:
            yield from unions_in(item)
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in {"anyOf", "oneOf"}:
                yield value
            if key not in {"example", "examples"}:
                yield from unions_in(value)


def test_an_explanation_is_described_as_complete_or_absent(
    contract: Contract,
) -> None:
    schema = {"$ref": "#/components/schemas/Recommended"}
    (plain,), (explained,) = (examples.ONE_USER[name]["recommendations"] for name in ("plain", "explained"))
    for name in set(explained) - set(plain):
        with pytest.raises(ValidationError):
            contract.validate(schema, {key: value for key, value in explained.items() if key != name})
    some = {"similar_user_count", "total_interaction_value"}
    contract.validate(schema, {key: value for key, value in explained.items() if key not in some})


def test_json_is_the_first_type_of_an_answer_that_has_more(contract: Contract) -> None:
    # Generated clients request the first type, or parse the answer as it.
    responses = [
        found for operation in contract.operations.values() for found in operation["responses"].values()
    ]
    several = [list(found["content"]) for found in responses if len(found.get("content", ())) > 1]
    assert several == [["application/json", "application/x-ndjson"]]
