"""Compares answers with the definition, item by item."""

from typing import Any

import pytest

from tests.support.reference import Scored


def assert_agrees(items: list[dict[str, Any]], expected: list[Scored]) -> None:
    assert len(items) == len(expected)
    by_id = {scored.media_id: scored for scored in expected}
    for item, scored in zip(items, expected, strict=True):
        own = by_id[item["id"]]
        assert item["recommendation_score"] == pytest.approx(own.recommendation_score, abs=5.1e-5)
        assert item["content_score"] == pytest.approx(own.content_score, abs=5.1e-5)
        assert item["collaborative_score"] == pytest.approx(own.collaborative_score, abs=5.1e-5)
        assert item["id"] == scored.media_id
