"""Users with stated genres and latest interactions, read for the explorer, even if databases are down."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
import pytest

from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError
from recommender.serving.profiles import FoundUsers, ProfileReader
from tests.support.clients import running_app
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName
UNKNOWN_USER = "00000000-0000-4000-8000-000000000000"


@contextmanager
def reading(urls: Urls) -> Iterator[ProfileReader]:
    with running_app(urls, TIME_BUDGET_MS="3000") as app:
        container = app.extensions["container"]
        container.open()
        reader: ProfileReader = container.profiles
        yield reader


@pytest.fixture
def profiles(databases: Urls) -> Iterator[ProfileReader]:
    """Return a reader of profiles on the test's own databases."""
    with reading(databases) as reader:
        yield reader


@pytest.fixture(scope="module")
def shared_profiles(shared_databases: Urls) -> Iterator[ProfileReader]:
    with reading(shared_databases) as reader:
        yield reader


def all_users(databases: Urls) -> list[str]:
    reference = Reference(databases)
    stated = reference.rows(USER, "SELECT user_id::text FROM user_preferences")
    active = reference.rows(ENGAGEMENT, "SELECT DISTINCT user_id::text FROM interaction")
    return sorted({str(user_id) for (user_id,) in [*stated, *active]})


def found(profiles: ProfileReader, prefix: str, top_k: int = 1000) -> list[str]:
    return [user.user_id for user in profiles.search(prefix, top_k).users]


def test_a_search_finds_exactly_the_users_with_the_prefix(
    shared_profiles: ProfileReader, shared_databases: Urls
) -> None:
    users = all_users(shared_databases)
    assert found(shared_profiles, "") == users
    for length in (1, 3, 9, 14, 36):
        prefix = users[7][:length]
        expected = [user for user in users if user.startswith(prefix)]
        assert found(shared_profiles, prefix) == found(shared_profiles, prefix.upper()) == expected
    assert found(shared_profiles, users[7].replace("-", "")) == [users[7]]


def test_a_user_of_only_one_database_is_found(profiles: ProfileReader, databases: Urls) -> None:
    only_stated = "aaaaaaaa-0000-4000-8000-00000000000a"
    only_active = "aaaaaaaa-0000-4000-8000-00000000000b"
    with psycopg.connect(databases[USER]) as connection:
        connection.execute("INSERT INTO user_preferences VALUES (gen_random_uuid(), %s)", (only_stated,))
        connection.execute(
            "INSERT INTO tb_user_genre VALUES (%s, 'DRAMA'), (%s, 'drama')", (only_stated,) * 2
        )
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute(
            "INSERT INTO interaction (id, user_id, media_id) VALUES (-1, %s, gen_random_uuid())",
            (only_active,),
        )
    answer = profiles.search("aaaaaaaa-0000-4000-8000-00000000000", 10)
    assert [(user.user_id, user.genres) for user in answer.users] == [
        (only_stated, ("DRAMA",)),
        (only_active, ()),
    ]


def test_a_search_gives_as_many_as_asked_for_and_says_whether_there_are_more(
    shared_profiles: ProfileReader, shared_databases: Urls
) -> None:
    users = all_users(shared_databases)
    with recorded_statements() as statements:
        answer = shared_profiles.search("", 8)
    assert [user.user_id for user in answer.users] == users[:8]
    assert answer.more
    assert len(statements) == 3
    assert not shared_profiles.search("", len(users)).more


@pytest.mark.parametrize(
    "prefix",
    [
        "zebra",
        "'",
        "%",
        "_",
        "a" * 33,
        "a" * 5000,
        "--",
        "\x00",
        "\ud800",
        "é",
        " ",
        "0x1",
        "{}",
        "(?i)a",
        "\n",
    ],
)
def test_a_search_accepts_any_text(shared_profiles: ProfileReader, prefix: str) -> None:
    answer = shared_profiles.search(prefix, 5)
    assert answer.missing == ()
    # Hyphens are left out of what is typed, so that nothing is left of this text.
    no_users = FoundUsers(users=(), more=False, missing=())
    assert answer == (shared_profiles.search("", 5) if prefix == "--" else no_users)
    assert shared_profiles.search("\x00" + prefix, 5) == shared_profiles.search("\ud800", 5)


def test_a_random_user_has_interactions_and_is_not_always_the_same(
    shared_profiles: ProfileReader, shared_databases: Urls
) -> None:
    surprises = {shared_profiles.random_user_id() for _ in range(30)}
    assert len(surprises) > 5
    assert surprises <= set(Reference(shared_databases).seen)


def test_without_users_there_is_no_random_user(profiles: ProfileReader, databases: Urls) -> None:
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        connection.execute("TRUNCATE interaction")
    assert profiles.random_user_id() is None


def test_a_profile_shows_the_latest_interactions_in_order(profiles: ProfileReader, databases: Urls) -> None:
    reference = Reference(databases)
    user = max(reference.seen, key=lambda user: (len(reference.seen[user]), user))
    with recorded_statements() as statements:
        profile = profiles.read(user, 12)
    assert len(statements) == 3
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        expected = connection.execute(
            "SELECT media_id::text, type, interaction_value, date_trunc('minute', timestamp) "
            "FROM interaction WHERE user_id = %s AND timestamp IS NOT NULL "
            "ORDER BY timestamp DESC, media_id LIMIT 12",
            (user,),
        ).fetchall()
    shown = [(each.item_id, each.type, each.value, each.happened_at) for each in profile.interactions]
    assert shown == expected
    assert profile.missing == ()
    for each in profile.interactions:
        assert (each.details is not None) == (each.item_id in reference.catalog)


def test_timestamps_that_python_cannot_hold_are_left_out(profiles: ProfileReader, databases: Urls) -> None:
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        for number, moment in enumerate(("infinity", "12026-01-01", "2026-01-01 10:30:59", "-infinity")):
            connection.execute(
                "INSERT INTO interaction VALUES (%s, %s, gen_random_uuid(), 'LIKE', 'NaN', %s)",
                (-1 - number, UNKNOWN_USER, moment),
            )
    moments = [each.happened_at for each in profiles.read(UNKNOWN_USER, 9).interactions]
    assert moments == [None, None, datetime(2026, 1, 1, 10, 30), None]  # noqa: DTZ001 - naive UTC


def test_the_profile_of_an_unknown_user_is_empty(shared_profiles: ProfileReader) -> None:
    profile = shared_profiles.read(UNKNOWN_USER, 10)
    assert (profile.genres, profile.interactions, profile.missing) == ((), (), ())


@pytest.mark.parametrize("down", list(DatabaseName))
def test_a_database_that_is_down_leaves_its_part_empty_and_is_named(
    profiles: ProfileReader, databases: Urls, outage: Outage, down: DatabaseName
) -> None:
    reference = Reference(databases)
    user = next(
        user
        for user in sorted(reference.seen)
        if reference.genres_of_user.get(user) and len(reference.seen[user]) > 5
    )
    before = profiles.read(user, 10)
    assert before.genres
    assert before.interactions
    outage.stop(down)
    profile = profiles.read(user, 10)
    assert profile.missing == (down,)
    assert profile.genres == (() if down is USER else before.genres)
    # Details that were shown once are cached.
    assert profile.interactions == (() if down is ENGAGEMENT else before.interactions)
    if down is ENGAGEMENT:
        with pytest.raises(DatabaseUnavailableError):
            profiles.random_user_id()
    search = profiles.search(user, 5)
    assert [each.user_id for each in search.users] == [user]
    assert search.missing == (() if down is CATALOG else (down,))
