"""`check` counts interaction values of any numeric type, however large."""

import pytest

from recommender.databases.inspection import Inspection
from recommender.diagnostics import interaction_types
from recommender.entities import DatabaseName
from tests.support.checks import Checker, change
from tests.support.clients import settings_for
from tests.support.postgres import Urls

ENGAGEMENT = DatabaseName.ENGAGEMENT
_SPOIL = (
    "ALTER TABLE interaction ALTER interaction_value TYPE numeric",
    """
    UPDATE interaction SET interaction_value = (ARRAY['NaN', '1e400', '-1e400', '1e200'])[1 + id % 4]::numeric
    WHERE id IN (SELECT id FROM interaction WHERE type = 'LIKE' ORDER BY id LIMIT 8)
    """,
)
_VIEW = (
    "ALTER TABLE interaction RENAME TO events",
    "CREATE VIEW interaction AS SELECT * FROM events",
    "GRANT SELECT ON interaction TO marquee",
)


@pytest.mark.parametrize("view", [(), _VIEW])
def test_values_beyond_the_range_of_double_precision_are_counted(
    check: Checker, urls: Urls, databases: Urls, view: tuple[str, ...]
) -> None:
    change(databases, ENGAGEMENT, *_SPOIL, *view)
    report = check(urls)
    assert report.find("unusable values")["level"] == "warning"
    assert report.find("unusable values")["means"].startswith("8 (")


def test_they_are_not_taken_for_values_where_a_sample_has_none(
    databases: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(
        databases,
        ENGAGEMENT,
        *_SPOIL,
        "UPDATE interaction SET interaction_value = '1e400' WHERE type <> 'DISLIKE'",
        "ANALYZE interaction",
    )
    monkeypatch.setattr(interaction_types, "_SAMPLE_ROWS", 10)
    settings = settings_for(databases)
    with Inspection(ENGAGEMENT, settings.databases) as inspection:
        window = ("-infinity", "infinity")
        facts = interaction_types.look_at_types(inspection, settings.interaction_types, window)
    assert facts.source
    assert (facts.has_positive, facts.has_recent, facts.has_worth) == (True, True, False)
