"""`check` finds users whose repeated interactions outweigh those of all others."""

import pytest

from recommender.entities import DatabaseName
from tests.support.checks import Checker, change
from tests.support.postgres import Urls

ENGAGEMENT = DatabaseName.ENGAGEMENT
_REPEAT = """
    INSERT INTO interaction
    SELECT 1000000 + n, first.user_id, first.media_id, 'WATCH', 1.0, now() AT TIME ZONE 'UTC'
    FROM
        (SELECT user_id, media_id FROM interaction ORDER BY id LIMIT 1) AS first,
        generate_series(1, 3000) AS n
"""
_LONG = """
    UPDATE interaction SET interaction_value = 3000
    WHERE id = (
        SELECT min(id) FROM interaction WHERE type = 'WATCH' AND timestamp > now() - interval '60 days'
    )
"""


@pytest.mark.parametrize("spoil", [_REPEAT, _LONG])
def test_a_pair_that_outweighs_the_others_is_a_warning(
    check: Checker, urls: Urls, databases: Urls, spoil: str
) -> None:
    change(databases, ENGAGEMENT, spoil)
    report = check(urls)
    assert report.faults == {("warning", ENGAGEMENT, "values of pairs")}
    assert "the largest is 3,00" in report.find("values of pairs")["means"]


def test_ordinary_repetitions_are_accepted(check: Checker, urls: Urls, databases: Urls) -> None:
    change(
        databases,
        ENGAGEMENT,
        "INSERT INTO interaction "
        "SELECT 1000000 + 10 * id + n, user_id, media_id, type, interaction_value, timestamp "
        "FROM interaction, generate_series(1, 4) AS n WHERE n <= id % 5",
    )
    report = check(urls)
    assert report.faults == set()
    assert report.find("values of pairs")["level"] == "ok"
