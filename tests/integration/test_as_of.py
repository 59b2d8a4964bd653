"""Replays of a past moment read no interaction at that moment or later."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest

from config.settings import Settings
from recommender.container import Container, build_container
from recommender.databases.queries import SQL_ROOT
from recommender.entities import DatabaseName, Options, Page, PopularItemsPage
from recommender.errors import ConfigurationError
from tests.support.clients import NO_CAPS, PATIENT, settings_for
from tests.support.postgres import Templates, Urls
from tests.support.waiting import wait_until

ENGAGEMENT = DatabaseName.ENGAGEMENT
# Older rows are in no window of the tests. The data goes back 120 days.
MOMENT = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=25)
LATER = (timedelta(), timedelta.resolution, timedelta(hours=1), timedelta(days=10))
WAYS: Mapping[str, Mapping[str, str]] = {
    "all time": {"INTERACTION_WINDOW_DAYS": "0", **NO_CAPS},
    "a month": {"INTERACTION_WINDOW_DAYS": "30", **NO_CAPS},
    "three months, capped": {"INTERACTION_WINDOW_DAYS": "90", "EXACT_UP_TO_PAIRS": "0"},
    "what is watched excludes": {"EXCLUDING_TYPES": "WATCH", **NO_CAPS},
}
_DAYS = (7, 30, 90)


@contextlib.contextmanager
def serving(settings: Settings, as_of: datetime | None = None) -> Iterator[Container]:
    container = build_container(settings, as_of=as_of)
    try:
        container.open()
        container.wait_for_catalog(30)
        yield container
    finally:
        container.close()


def execute(urls: Urls, statement: str, *values: object) -> None:
    with psycopg.connect(urls[ENGAGEMENT]) as connection:
        connection.execute(statement.encode(), values or None)


def ids(urls: Urls, column: str) -> list[str]:
    query = f"SELECT DISTINCT {column}::text FROM interaction WHERE {column} IS NOT NULL ORDER BY 1"  # noqa: S608
    with psycopg.connect(urls[ENGAGEMENT]) as connection:
        return [row[0] for row in connection.execute(query.encode()).fetchall()]


def forget_later(urls: Urls) -> None:
    execute(urls, "DELETE FROM interaction WHERE timestamp >= %s", MOMENT)


def plant_later(urls: Urls) -> None:
    """Give every user interactions of each type at the moment and later; each time with other items."""
    moments = (*(MOMENT + later for later in LATER), "infinity")
    with psycopg.connect(urls[ENGAGEMENT]) as connection:
        for number, at in enumerate(moments):
            connection.execute(
                "INSERT INTO interaction "
                "SELECT (SELECT max(id) FROM interaction) + row_number() OVER (), "
                "user_id, media_id, kind, 3.0, %s "
                "FROM (SELECT DISTINCT user_id FROM interaction WHERE user_id IS NOT NULL) AS u, "
                "(SELECT DISTINCT media_id FROM interaction WHERE media_id IS NOT NULL) AS m "
                "JOIN (VALUES ('LIKE', 0), ('DISLIKE', 1), ('WATCH', 2)) AS k (kind, n) "
                "ON n = mod(abs(hashtext(media_id::text)), 7) "
                "WHERE mod(abs(hashtext(reverse(media_id::text))), %s) = %s",
                (at, len(moments), number),
            )
            planted = connection.execute("SELECT DISTINCT type FROM interaction WHERE timestamp = %s", (at,))
            assert len(planted.fetchall()) == 3


@pytest.fixture(scope="module")
def eventful(templates: Templates) -> Iterator[Urls]:
    """Databases with many interactions at the moment and after it."""
    with templates.clone() as urls:
        keep_off_the_edges(urls)
        plant_later(urls)
        yield urls


@pytest.fixture(scope="module")
def uneventful(templates: Templates) -> Iterator[Urls]:
    """The same databases without interactions at the moment or later."""
    with templates.clone() as urls:
        keep_off_the_edges(urls)
        forget_later(urls)
        yield urls


@pytest.fixture(scope="module")
def at_the_time(templates: Templates) -> Iterator[Urls]:
    """Databases whose present is the moment: later interactions are missing."""
    with templates.clone() as urls:
        keep_off_the_edges(urls)
        forget_later(urls)
        execute(
            urls,
            "UPDATE interaction SET timestamp = timestamp + ((now() AT TIME ZONE 'UTC') - %s::timestamp)",
            MOMENT,
        )
        yield urls


def keep_off_the_edges(urls: Urls) -> None:
    """Remove interactions that would leave the window while the tests run."""
    for days in _DAYS:
        edge = MOMENT - timedelta(days=days)
        execute(
            urls,
            "DELETE FROM interaction WHERE timestamp BETWEEN %s AND %s",
            edge - timedelta(minutes=1),
            edge + timedelta(hours=2),
        )


def answers(container: Container, urls: Urls, most_users: int | None = None) -> list[object]:
    """Return the results of everything that reads interactions, unrounded."""
    users, items = ids(urls, "user_id")[:most_users], ids(urls, "media_id")
    given = [
        *container.service.recommend(users, Page(20)),
        *container.service.recommend(users[::3], Page(20), Options(explained=True)),
    ]
    assert not any(answer.degraded for answer in given)
    in_catalog = {item.details.id for item in container.items.popular(Page(100)).items}
    similar = [container.items.similar(item, Page(20)) for item in items[:40] if item in in_catalog]
    popular = [popular_in(container, days) for days in (0, 7, 30, 90)]
    assert similar
    return [*given, *similar, *popular]


def popular_in(container: Container, days: int) -> PopularItemsPage:
    """Return popular media, once they are counted."""
    wait_until(lambda: not container.items.popular(Page(1), window_days=days).is_counting)
    return container.items.popular(Page(50), window_days=days)


@pytest.mark.parametrize("way", WAYS)
def test_a_past_moment_is_answered_as_without_later_interactions(
    eventful: Urls, uneventful: Urls, at_the_time: Urls, way: str
) -> None:
    """The third service answers for its present, without a moment. The others must agree with it."""
    variables = {**PATIENT, **WAYS[way]}
    with serving(settings_for(eventful, **variables), MOMENT) as container:
        found = answers(container, uneventful)
    with serving(settings_for(uneventful, **variables), MOMENT) as container:
        assert answers(container, uneventful) == found
    with serving(settings_for(at_the_time, **variables)) as container:
        assert answers(container, uneventful) == found


def test_the_present_differs_from_the_past(eventful: Urls, uneventful: Urls) -> None:
    users = ids(uneventful, "user_id")

    def recommended(as_of: datetime | None) -> list[list[str]]:
        with serving(settings_for(eventful, **PATIENT), as_of) as container:
            given = container.service.recommend(users, Page(20))
            return [[item.details.id for item in answer.items] for answer in given]

    past, present = recommended(MOMENT), recommended(None)
    assert all(now != then for now, then in zip(present, past, strict=True))


def test_an_interaction_a_microsecond_before_the_moment_counts(databases: Urls) -> None:
    settings = settings_for(databases, **PATIENT, **NO_CAPS)
    user = ids(databases, "user_id")[0]

    def recommended() -> list[str]:
        with serving(settings, MOMENT) as container:
            (answer,) = container.service.recommend([user], Page(200))
        return [item.details.id for item in answer.items]

    before = recommended()
    insert = "INSERT INTO interaction VALUES (10000000, %s, %s, 'LIKE', 1.0, %s)"
    execute(databases, insert, user, before[0], MOMENT)
    assert recommended() == before
    execute(
        databases, "UPDATE interaction SET timestamp = %s WHERE id = 10000000", MOMENT - timedelta.resolution
    )
    assert before[0] not in recommended()


def test_a_row_without_a_time_excludes_at_any_moment_and_one_at_infinity_only_now(databases: Urls) -> None:
    settings = settings_for(databases, **PATIENT, **NO_CAPS)
    user = ids(databases, "user_id")[0]

    def recommended(as_of: datetime | None) -> set[str]:
        with serving(settings, as_of) as container:
            (answer,) = container.service.recommend([user], Page(200))
        return {item.details.id for item in answer.items}

    timeless, endless = sorted(recommended(None) & recommended(MOMENT))[:2]
    insert = "INSERT INTO interaction VALUES (%s, %s, %s, 'LIKE', 1.0, %s)"
    execute(databases, insert, 10000000, user, timeless, None)
    execute(databases, insert, 10000001, user, endless, "infinity")
    assert not {timeless, endless} & recommended(None)
    past = recommended(MOMENT)
    assert timeless not in past
    assert endless in past


def test_the_moment_may_be_of_any_time_zone(databases: Urls) -> None:
    settings = settings_for(databases, **PATIENT, **NO_CAPS)
    with serving(settings, MOMENT) as naive:
        expected = answers(naive, databases, 50)
    for zone in (UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-7))):
        with serving(settings, MOMENT.replace(tzinfo=UTC).astimezone(zone)) as aware:
            assert answers(aware, databases, 50) == expected, zone


def earlier_overlay(folder: Path, name: str) -> Path:
    """Return a statement without the parameter for the moment, as of earlier releases."""
    text = (SQL_ROOT / ENGAGEMENT / f"{name}.sql").read_text()
    text = text.replace(" known_until,", "", 1)
    text = re.sub(r"\n +AND \(i\.timestamp <= :known_until::timestamp\) IS NOT FALSE", "", text)
    text = re.sub(r"least\(\s*(.*), :known_until::timestamp\s*\)", r"\1", text)
    assert ":known_until" not in text
    (folder / ENGAGEMENT).mkdir(exist_ok=True)
    (folder / ENGAGEMENT / f"{name}.sql").write_text(text)
    return folder


@pytest.mark.parametrize("name", ["fetch_histories", "count_positive_users", "fetch_users_of_media"])
def test_an_overlay_without_the_moment_serves_the_present_and_no_past_one(
    shared_databases: Urls, tmp_path: Path, name: str
) -> None:
    users = ids(shared_databases, "user_id")[:100]
    plain = settings_for(shared_databases, **PATIENT, **NO_CAPS)
    overlaid = settings_for(
        shared_databases, **PATIENT, **NO_CAPS, SQL_PATH=str(earlier_overlay(tmp_path, name))
    )
    with serving(plain) as ours, serving(overlaid) as theirs:
        expected = list(ours.service.recommend(users, Page(10)))
        assert list(theirs.service.recommend(users, Page(10))) == expected
    with pytest.raises(ConfigurationError, match=rf"{name}\.sql: {name} does not take known_until"):
        build_container(overlaid, as_of=MOMENT)


def test_an_overlay_with_the_moment_serves_a_past_one(shared_databases: Urls, tmp_path: Path) -> None:
    (tmp_path / ENGAGEMENT).mkdir()
    text = (SQL_ROOT / ENGAGEMENT / "fetch_histories.sql").read_text()
    (tmp_path / ENGAGEMENT / "fetch_histories.sql").write_text(text)
    (tmp_path / ENGAGEMENT / "search_users.sql").write_text(
        (SQL_ROOT / ENGAGEMENT / "search_users.sql").read_text()
    )
    plain = settings_for(shared_databases, **PATIENT)
    overlaid = settings_for(shared_databases, **PATIENT, SQL_PATH=str(tmp_path))
    with serving(plain, MOMENT) as ours, serving(overlaid, MOMENT) as theirs:
        assert answers(theirs, shared_databases, 50) == answers(ours, shared_databases, 50)
