"""Hot statements read bounded ranges of the indexes that they name, on skewed data.

Tests compare neither cost nor time, but which indexes are used, that no large table is scanned, and how many
rows are read.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from config.settings import load_settings
from recommender.databases.connections import SESSION_SETTINGS
from recommender.databases.loading import WritableDatabase
from recommender.databases.queries import SQL_ROOT, parse_query_file
from recommender.demo.embedded import PostgresServer
from recommender.entities import DatabaseName
from tests.support.postgres import Templates, Urls

pytestmark = pytest.mark.slow

HEAVIEST = "00000000-0000-4000-8000-000000000001"
HEAVIEST_ROWS = 5_000  # 4,949, and the 51 that all users have
TYPES: dict[str, object] = {
    "like_types": ["LIKE"],
    "watch_types": ["WATCH"],
    "dislike_types": ["DISLIKE"],
    "excluding_types": [],
    "known_until": "infinity",
}
PLAN_MODES = ("force_custom_plan", "force_generic_plan")
DEFAULTS = load_settings({}, dotenv_path=None)

# 3,000 users with 50 interactions each over 6,000 items, popularity falling off steeply; item 1 was watched
# by every third user, user 1 has 5,000 interactions.
_FILL = {
    DatabaseName.USER: """
        CREATE FUNCTION made_id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
        INSERT INTO user_preferences SELECT gen_random_uuid(), made_id(u) FROM generate_series(1, 20000) AS u;
        INSERT INTO tb_user_genre
        SELECT made_id(u), 'GENRE ' || g FROM generate_series(1, 20000) AS u, generate_series(1, 3) AS g;
    """,
    DatabaseName.CATALOG: """
        CREATE FUNCTION made_id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
        INSERT INTO medias (id, title) SELECT made_id(m), 'Title ' || m FROM generate_series(1, 20000) AS m;
        INSERT INTO tb_media_genre
        SELECT made_id(m), 'GENRE ' || g FROM generate_series(1, 20000) AS m, generate_series(1, 3) AS g;
    """,
    DatabaseName.ENGAGEMENT: """
        CREATE FUNCTION made_id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
        SELECT setseed(0.5);
        INSERT INTO interaction
        SELECT
            row_number() OVER (), made_id(u), made_id(m), kind, 1.0,
            (now() AT TIME ZONE 'UTC') - random() * interval '80 days'
        FROM (
            SELECT u, 1 + floor(6000 * power(random(), 4))::bigint AS m,
                (ARRAY['LIKE', 'WATCH', 'DISLIKE'])[1 + floor(3 * random())::int] AS kind
            FROM generate_series(1, 3000) AS u, generate_series(1, 50)
            UNION ALL
            SELECT u, 1, 'WATCH' FROM generate_series(1, 3000, 3) AS u
            UNION ALL
            SELECT 1, m, 'LIKE' FROM generate_series(1, 4949) AS m
        ) AS made;
    """,
}


@pytest.fixture(scope="module")
def skewed(server: PostgresServer) -> Iterator[Urls]:
    templates = Templates(server, "skewed")
    with templates.create() as urls:
        for name, fill in _FILL.items():
            with WritableDatabase(name, urls[name]) as database:
                database.create_tables()
                with psycopg.connect(urls[name], autocommit=True) as connection:
                    connection.execute(fill.encode())
                    # VACUUM marks a page as all-visible only after its rows are in the log on disk, and the
                    # server does not wait for that.
                    connection.execute("CHECKPOINT")
                database.create_indexes()
        yield urls


def explain(urls: Urls, path: str, mode: str, **parameters: object) -> list[dict[str, Any]]:
    """Return the nodes of the executed plan."""
    query = parse_query_file(SQL_ROOT / f"{path}.sql")
    statement = query.statement.decode()
    for number, name in enumerate(query.parameters, start=1):
        statement = statement.replace(f"%({name})s", f"${number}")
    with psycopg.connect(urls[DatabaseName(path.partition("/")[0])]) as connection:
        for setting, value in {**SESSION_SETTINGS, "plan_cache_mode": mode}.items():
            connection.execute("SELECT set_config(%s, %s, false)", (setting, value))
        connection.execute(f"PREPARE checked AS {statement}".encode())
        cursor = psycopg.ClientCursor(connection)
        values = [(TYPES | parameters)[name] for name in query.parameters]
        placeholders = f"({', '.join(['%s'] * len(values))})" if values else ""
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE checked{placeholders}".encode(), values)
        row = cursor.fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return list(nodes(plan[0]["Plan"]))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def rows_read(plan: list[dict[str, Any]], relation: str) -> int:
    """Return the number of rows that scans of a table returned or removed, over all loops."""
    scans = [node for node in plan if node.get("Relation Name") == relation]
    assert scans, f"the plan does not read {relation}"
    total: float = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans
    )
    return round(total)


def assert_bounded(plan: list[dict[str, Any]], indexes: set[str], bounds: dict[str, int]) -> None:
    used = {node["Index Name"] for node in plan if "Index Name" in node}
    assert indexes <= used, f"expected {indexes}, the plan uses {used}"
    whole = [node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"]
    assert not whole, f"the plan reads {whole} whole"
    for relation, bound in bounds.items():
        read = rows_read(plan, relation)
        assert read <= bound, f"the plan reads {read} rows of {relation}, more than {bound}"


def heaviest_history(urls: Urls) -> list[str]:
    """Return the latest media that the heaviest user liked, the most popular one among them."""
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
        rows = connection.execute(
            "SELECT media_id::text FROM interaction WHERE user_id = %s AND type = 'LIKE' "
            "GROUP BY media_id ORDER BY count(*) DESC, 1 LIMIT %s",
            (HEAVIEST, DEFAULTS.neighbour_search.history_items),
        ).fetchall()
    return [f"{HEAVIEST[:-1]}1", *(row[0] for row in rows)][: DEFAULTS.neighbour_search.history_items]


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_users_of_media_reads_no_more_than_its_limits_allow(skewed: Urls, mode: str) -> None:
    item_ids = heaviest_history(skewed)
    plan = explain(
        skewed,
        "engagement_db/fetch_users_of_media",
        mode,
        media_ids=item_ids,
        row_limits=[DEFAULTS.neighbour_search.users_per_item] * len(item_ids),
        window_start="-infinity",
    )
    # A scan below a LIMIT sees no more rows than the LIMIT lets through.
    bound = len(item_ids) * DEFAULTS.neighbour_search.users_per_item
    assert_bounded(plan, {"interaction_media_latest_idx"}, {"interaction": bound})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_media_of_users_stops_at_its_limit_in_long_histories(skewed: Urls, mode: str) -> None:
    """The heaviest user is among the users whose latest interactions are read."""
    user_ids = [HEAVIEST, *(f"00000000-0000-4000-8000-{number:012}" for number in range(9_000, 9_100))]
    plan = explain(
        skewed,
        "engagement_db/fetch_media_of_users",
        mode,
        user_keys=[user_id.replace("-", "") for user_id in user_ids],
        window_start="-infinity",
        rows_per_user=30,
    )
    assert_bounded(plan, {"interaction_user_recent_idx"}, {"interaction": len(user_ids) * 30})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_users_of_media_repeated_reads_no_more_than_its_limits_allow(skewed: Urls, mode: str) -> None:
    """Users are searched in index ranges, each twice as long as the one before."""
    item_ids = heaviest_history(skewed)
    plan = explain(
        skewed,
        "engagement_db/fetch_users_of_media_repeated",
        mode,
        media_ids=item_ids,
        row_limits=[320] * len(item_ids),
        window_start="-infinity",
        users_per_item=20,
    )
    assert_bounded(plan, {"interaction_media_latest_idx"}, {"interaction": len(item_ids) * 3 * 320})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_users_of_media_repeated_reads_a_short_range_if_users_are_many(skewed: Urls, mode: str) -> None:
    """Item 1 was watched by every third user, once: the first stretch has all that are asked for."""
    plan = explain(
        skewed,
        "engagement_db/fetch_users_of_media_repeated",
        mode,
        media_ids=[f"{HEAVIEST[:-1]}1"],
        row_limits=[800],
        window_start="-infinity",
        users_per_item=20,
    )
    # Searched for users, then read.
    assert_bounded(plan, {"interaction_media_latest_idx"}, {"interaction": 2 * 80})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_media_of_users_repeated_stops_at_its_limit_in_long_histories(skewed: Urls, mode: str) -> None:
    plan = explain(
        skewed,
        "engagement_db/fetch_media_of_users_repeated",
        mode,
        user_keys=[HEAVIEST.replace("-", "")],
        window_start="-infinity",
        rows_per_user=300,
    )
    assert_bounded(plan, {"interaction_user_recent_idx"}, {"interaction": 300})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_shared_users_reads_no_more_than_its_caps_allow(skewed: Urls, mode: str) -> None:
    """For the medium that every third user watched, including the heaviest user."""
    plan = explain(
        skewed,
        "engagement_db/fetch_shared_users",
        mode,
        media_id=f"{HEAVIEST[:-1]}1",
        window_start="-infinity",
        row_limit=100,
        users_per_item=100,
        rows_per_user=30,
        items_per_user=30,
    )
    assert_bounded(
        plan,
        {"interaction_media_latest_idx", "interaction_user_recent_idx"},
        {"interaction": 100 + 100 * 30},
    )


@pytest.mark.parametrize("mode", PLAN_MODES)
@pytest.mark.parametrize("users", [1, 100])
def test_fetch_histories_reads_the_asked_users_rows_only(skewed: Urls, mode: str, users: int) -> None:
    user_ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(1, users + 1)]
    plan = explain(
        skewed,
        "engagement_db/fetch_histories",
        mode,
        user_ids=user_ids,
        window_start="-infinity",
        rows_per_user=20_000,
    )
    assert_bounded(plan, {"interaction_user_recent_idx"}, {"interaction": HEAVIEST_ROWS + 52 * (users - 1)})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_histories_stops_at_its_budget_of_rows(skewed: Urls, mode: str) -> None:
    plan = explain(
        skewed,
        "engagement_db/fetch_histories",
        mode,
        user_ids=[HEAVIEST],
        window_start="-infinity",
        rows_per_user=500,
    )
    assert_bounded(plan, {"interaction_user_recent_idx"}, {"interaction": 500})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_genre_preferences_reads_the_asked_users_rows_only(skewed: Urls, mode: str) -> None:
    user_ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(1, 101)]
    plan = explain(skewed, "user_db/fetch_genre_preferences", mode, user_ids=user_ids)
    assert_bounded(plan, {"tb_user_genre_user_id_idx"}, {"tb_user_genre": 300, "user_preferences": 100})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_media_reads_the_asked_media_only(skewed: Urls, mode: str) -> None:
    item_ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(1, 101)]
    plan = explain(skewed, "catalog_db/fetch_media", mode, media_ids=item_ids)
    assert_bounded(
        plan, {"medias_pkey", "tb_media_genre_media_id_idx"}, {"medias": 100, "tb_media_genre": 300}
    )


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_count_positive_users_is_read_from_the_index_in_order(skewed: Urls, mode: str) -> None:
    plan = explain(skewed, "engagement_db/count_positive_users", mode, window_start="-infinity")
    assert {node.get("Index Name") for node in plan if node["Node Type"] == "Index Only Scan"} == {
        "interaction_media_latest_idx"
    }


def test_fetch_example_user_reads_the_latest_rows_only(skewed: Urls) -> None:
    plan = explain(skewed, "engagement_db/fetch_example_user", "auto")
    assert_bounded(plan, {"interaction_pkey"}, {"interaction": 1_000})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_stream_users_of_engagement_db_sorts_users_and_not_interactions(skewed: Urls, mode: str) -> None:
    plan = explain(skewed, "engagement_db/stream_users", mode)
    assert_sorts_no_more_than(3_000, plan)


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_stream_users_of_user_db_reads_and_sorts_each_user_once(skewed: Urls, mode: str) -> None:
    plan = explain(skewed, "user_db/stream_users", mode)
    assert_sorts_no_more_than(20_000, plan)
    assert rows_read(plan, "user_preferences") == 20_000


def assert_sorts_no_more_than(rows: int, plan: list[dict[str, Any]]) -> None:
    sorted_rows = [node["Actual Rows"] * node["Actual Loops"] for node in plan if "Sort" in node["Node Type"]]
    assert sorted_rows, "the plan does not sort"
    assert sum(sorted_rows) <= rows


@pytest.mark.parametrize("mode", PLAN_MODES)
@pytest.mark.parametrize("prefix", ["", "00000000"])
def test_search_users_in_user_db_reads_no_more_than_it_returns(skewed: Urls, mode: str, prefix: str) -> None:
    plan = explain(skewed, "user_db/search_users", mode, prefix=prefix, top_k=10)
    assert_bounded(plan, {"user_preferences_user_id_key"}, {"user_preferences": 10})


@pytest.mark.parametrize("mode", PLAN_MODES)
@pytest.mark.parametrize("prefix", ["", "00000000", HEAVIEST])
def test_search_users_in_engagement_db_costs_a_row_for_each_user(
    skewed: Urls, mode: str, prefix: str
) -> None:
    """The first of them has 5,000 interactions."""
    plan = explain(skewed, "engagement_db/search_users", mode, prefix=prefix, top_k=10)
    assert_bounded(plan, {"interaction_user_recent_idx"}, {"interaction": 10})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_random_user_reads_a_hundred_rows(skewed: Urls, mode: str) -> None:
    """It reads the smallest and the largest id, and a hundred rows from a point between them."""
    plan = explain(skewed, "engagement_db/fetch_random_user", mode)
    assert_bounded(plan, {"interaction_pkey"}, {"interaction": 102})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_fetch_recent_interactions_stops_at_its_limit(skewed: Urls, mode: str) -> None:
    plan = explain(skewed, "engagement_db/fetch_recent_interactions", mode, user_id=HEAVIEST, top_k=20)
    assert_bounded(plan, {"interaction_user_recent_idx"}, {"interaction": 1_000})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_a_past_moment_bounds_the_index_range_that_is_read(skewed: Urls, mode: str) -> None:
    """Later rows cost nothing: they are outside of the index range."""
    item_ids = heaviest_history(skewed)
    plan = explain(
        skewed,
        "engagement_db/fetch_users_of_media",
        mode,
        media_ids=item_ids,
        row_limits=[DEFAULTS.neighbour_search.users_per_item] * len(item_ids),
        window_start="-infinity",
        known_until="2000-01-01",
    )
    assert_bounded(plan, {"interaction_media_latest_idx"}, {"interaction": 0})


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_stream_later_positives_reads_the_table_once(skewed: Urls, mode: str) -> None:
    plan = explain(
        skewed,
        "engagement_db/stream_later_positives",
        mode,
        moment="-infinity",
        window_start="-infinity",
    )
    assert rows_read(plan, "interaction") == 3_000 * 50 + 1_000 + 4_949


@pytest.mark.parametrize("mode", PLAN_MODES)
def test_estimate_interactions_reads_statistics_and_no_interaction(skewed: Urls, mode: str) -> None:
    plan = explain(skewed, "engagement_db/estimate_interactions", mode)
    assert "interaction" not in {node.get("Relation Name") for node in plan}
    assert rows_read(plan, "pg_class") <= 10
    with psycopg.connect(skewed[DatabaseName.ENGAGEMENT]) as connection:
        connection.execute("ANALYZE interaction")
        counted = connection.execute("SELECT count(*) FROM interaction").fetchone()
        query = parse_query_file(SQL_ROOT / "engagement_db" / "estimate_interactions.sql")
        estimated = connection.execute(query.statement).fetchone()
    assert counted is not None
    assert estimated is not None
    assert estimated[0] == pytest.approx(counted[0], rel=0.05)
