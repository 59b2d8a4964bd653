"""Compares answers with the definition, item by item."""

from typing import Any

import pytest

from tests.support.reference import Scored

# Beyond this two scores differ by how floats were added up, not by what was added.
_NOISE = 1e-12


def assert_agrees(items: list[dict[str, Any]], expected: list[Scored]) -> None:
    assert len(items) == len(expected)
    by_id = {scored.media_id: scored for scored in expected}
    for item, scored in zip(items, expected, strict=True):
        own = by_id[item["id"]]
        assert item["recommendation_score"] == pytest.approx(own.recommendation_score, abs=5.1e-5)
        assert item["content_score"] == pytest.approx(own.content_score, abs=5.1e-5)
        assert item["collaborative_score"] == pytest.approx(own.collaborative_score, abs=5.1e-5)
        same_place = item["id"] == scored.media_id
        assert same_place or abs(own.recommendation_score - scored.recommendation_score) < _NOISE
