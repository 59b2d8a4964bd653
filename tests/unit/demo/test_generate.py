"""Demo data is the same for the same seed, readable and long-tailed, and its users have tastes."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from recommender.demo.generate import GENRES, DemoData, DemoSize, generate

pytestmark = pytest.mark.slow

NOW = datetime(2026, 5, 1, 12)  # noqa: DTZ001 - the databases' timestamps are naive UTC


@pytest.fixture(scope="module")
def demo() -> DemoData:
    return generate(DemoSize(), seed=3, now=NOW)


def test_the_same_seed_gives_the_same_rows() -> None:
    size = DemoSize(items=50, users=40, interactions=600)
    assert generate(size, 5, NOW) == generate(size, 5, NOW)
    assert generate(size, 5, NOW) != generate(size, 6, NOW)


def test_demo_data_has_the_promised_size(demo: DemoData) -> None:
    assert len(demo.interactions) == 200_000
    assert len(demo.user_preferences) == 5_000
    assert 1_900 < len(demo.items) <= 2_000
    assert len(GENRES) == 18


def test_titles_are_distinct_and_descriptions_are_sentences(demo: DemoData) -> None:
    titles = [str(row[1]) for row in demo.items]
    assert len(set(titles)) == len(titles)
    assert all(str(row[2]).startswith("In ") and str(row[2]).endswith(".") for row in demo.items)
    assert {row[4] for row in demo.items} == {"MOVIE", "SERIES"}


def test_every_item_has_one_to_four_genres(demo: DemoData) -> None:
    genres: dict[object, set[str]] = {}
    for item_id, genre in demo.item_genres:
        genres.setdefault(item_id, set()).add(str(genre).upper())
    assert {len(names) for names in genres.values()} == {1, 2, 3, 4}
    assert {name for names in genres.values() for name in names} == set(GENRES)


def test_interactions_lie_in_the_last_90_days(demo: DemoData) -> None:
    times = [row[5] for row in demo.interactions if isinstance(row[5], datetime)]
    assert NOW - timedelta(days=90) < min(times) < max(times) < NOW
    assert Counter(row[3] for row in demo.interactions).keys() == {"LIKE", "DISLIKE", "WATCH"}


def test_popularity_is_long_tailed(demo: DemoData) -> None:
    counts = sorted(Counter(row[2] for row in demo.interactions).values(), reverse=True)
    assert sum(counts[:200]) > 0.3 * sum(counts)
    assert counts[0] > 10 * counts[len(counts) // 2]


def test_users_like_what_they_say_they_like(demo: DemoData) -> None:
    stated: dict[object, set[str]] = {}
    for user, genre in demo.user_genres:
        stated.setdefault(user, set()).add(str(genre).upper())
    genres: dict[object, set[str]] = {}
    for item_id, genre in demo.item_genres:
        genres.setdefault(item_id, set()).add(str(genre).upper())
    matches = {
        kind: [
            bool(stated[user] & genres[item_id])
            for _, user, item_id, row_kind, *_ in demo.interactions
            if row_kind == kind and user in stated and item_id in genres
        ]
        for kind in ("LIKE", "DISLIKE")
    }
    shares = {kind: sum(found) / len(found) for kind, found in matches.items()}
    assert shares["LIKE"] > 0.8
    assert shares["DISLIKE"] < 0.4


def test_every_item_has_a_cover_that_the_service_draws(demo: DemoData) -> None:
    covers = [str(row[5]) for row in demo.items]
    assert all(
        cover.startswith(f"/explorer/covers/{row[0]}.svg?")
        for cover, row in zip(covers, demo.items, strict=True)
    )
    assert max(map(len, covers)) <= 500
