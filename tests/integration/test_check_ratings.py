"""`check` recognizes ratings that are taken for likes, and the documented view corrects it."""

import re

import pytest

from config.setting_types import ROOT
from recommender.entities import DatabaseName
from tests.support.checks import Checker, change
from tests.support.postgres import Urls

ENGAGEMENT = DatabaseName.ENGAGEMENT


@pytest.mark.parametrize(
    ("rate", "means"),
    [
        (
            "UPDATE interaction SET interaction_value = (ARRAY[-1, -0.6, 0.2, 0.8, 1])[1 + id % 5]",
            "%) have a value of 0 or less",
        ),
        ("UPDATE interaction SET interaction_value = 1 + id % 5", "are 5 different values"),
        ("UPDATE interaction SET interaction_value = 0.5 + id % 10 / 2.0", "are 10 different values"),
        ("UPDATE interaction SET interaction_value = 1 + id % 10", "are 10 different values"),
    ],
)
def test_ratings_taken_for_likes_are_a_warning(
    check: Checker, urls: Urls, databases: Urls, rate: str, means: str
) -> None:
    change(databases, ENGAGEMENT, rate, "UPDATE interaction SET type = 'RATING'")
    report = check(urls, LIKE_TYPES="RATING")
    assert report.faults == {("warning", ENGAGEMENT, "ratings as likes")}
    assert means in report.find("ratings as likes")["means"]


@pytest.mark.parametrize(
    "weigh",
    [
        "UPDATE interaction SET interaction_value = 1 + random() * 9 WHERE type = 'LIKE'",
        """
        UPDATE interaction SET interaction_value =
            CASE WHEN id % 600 < 6 THEN id % 600 WHEN id % 30 = 0 THEN -1 WHEN id % 30 = 1 THEN 3 ELSE 1 END
        WHERE type = 'LIKE'
        """,
    ],
)
def test_likes_of_different_weights_are_accepted(
    check: Checker, urls: Urls, databases: Urls, weigh: str
) -> None:
    change(databases, ENGAGEMENT, weigh)
    assert check(urls).faults == set()


def test_the_documented_view_makes_likes_and_dislikes_of_ratings(
    check: Checker, urls: Urls, databases: Urls
) -> None:
    document = (ROOT / "docs" / "how-to" / "use-your-own-tables.md").read_text()
    _, section = document.split("## Map ratings to likes and dislikes\n")
    statements = re.findall(r"^    (CREATE .*?;)\n", section, flags=re.MULTILINE | re.DOTALL)
    assert [statement.split()[1] for statement in statements] == ["VIEW", "INDEX", "INDEX"]
    change(
        databases,
        ENGAGEMENT,
        "CREATE TABLE ratings AS SELECT id, user_id, media_id, (1 + id % 5)::float8 AS stars, "
        "timestamp AS rated_at FROM interaction",
        "DROP TABLE interaction",
        *statements,
        "GRANT SELECT ON interaction TO marquee",
        "ANALYZE ratings",
    )
    report = check(urls)
    assert report.faults == set()
    listed = report.find("types")["means"]
    assert all(f"{name} " in listed for name in ("LIKE", "WATCH", "DISLIKE"))
    assert "ratings_user_id_rated_at_media_id_stars_idx" in report.find("statement fetch_histories")["means"]
    assert "(40." in listed or "(39." in listed
