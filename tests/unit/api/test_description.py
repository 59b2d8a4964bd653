"""The description of the API is complete, and says which names collide."""

import json
import re
from collections.abc import Iterator
from typing import TypedDict

import pytest
from flask import Flask
from pydantic import create_model

from recommender.api.endpoints import declared_endpoints
from recommender.api.models.schemas import VersionAnswer as ModelVersion
from recommender.api.openapi.document import describe
from recommender.api.openapi.json_schema import component_schemas
from recommender.domains.media import MEDIA
from recommender.entities import DatabaseName
from tests.support.clients import running_app


class VersionAnswer(TypedDict):
    """Named like another one."""

    number: int


@pytest.fixture
def app() -> Iterator[Flask]:
    with running_app(dict.fromkeys(DatabaseName, "postgresql://localhost:1/nowhere")) as app:
        yield app


def test_every_reference_of_the_description_leads_somewhere(app: Flask) -> None:
    document = describe(list(declared_endpoints(app)), MEDIA, keyed=True)
    found = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert found
    assert found <= document["components"]["schemas"].keys()


def test_an_answer_and_a_body_with_the_same_name_are_refused() -> None:
    body = create_model("VersionAnswer", __module__=__name__, number=(int, ...))
    with pytest.raises(ValueError, match=r"models\.schemas and .* both have a VersionAnswer"):
        component_schemas([ModelVersion], [body], MEDIA)


def test_answers_with_the_same_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"models\.schemas and .* both have a VersionAnswer"):
        component_schemas([ModelVersion, VersionAnswer], [], MEDIA)
