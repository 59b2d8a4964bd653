"""Compares answers with the definition, item by item."""

from typing import Any

from tests.support.reference import Scored

# Half of the fourth decimal, plus float errors.
_ROUNDING = 5.1e-5


def assert_agrees(items: list[dict[str, Any]], expected: list[Scored]) -> None:
    assert len(items) == len(expected)
    by_id = {scored.item_id: scored for scored in expected}
    for item, scored in zip(items, expected, strict=True):
        own = by_id[item["id"]]
        assert abs(item["recommendation_score"] - own.recommendation_score) <= _ROUNDING
        assert abs(item["content_score"] - own.content_score) <= _ROUNDING
        assert abs(item["collaborative_score"] - own.collaborative_score) <= _ROUNDING
        assert item["id"] == scored.item_id
