"""More repetitions change what live SQL reads, though the users of each item stay the same."""

import contextlib
from pathlib import Path

import psycopg

from recommender.container import Container, build_container
from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName, Page, UserRecommendations
from tests.support.clients import PATIENT, settings_for
from tests.support.postgres import Urls
from tests.support.reference import Reference
from tests.support.waiting import wait_until

TIMES = 40
REPEATED = "engagement_db.fetch_users_of_media_repeated"


def drop_repetitions(urls: Urls) -> None:
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
        connection.execute(
            "DELETE FROM interaction AS later USING interaction AS earlier "
            "WHERE (later.user_id, later.media_id) = (earlier.user_id, earlier.media_id) "
            "AND later.id > earlier.id"
        )


def repeat_likes(urls: Urls) -> None:
    """Repeat every like, as players do that send heartbeats: no item gets another user."""
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
        connection.execute(
            "INSERT INTO interaction SELECT (SELECT max(id) FROM interaction) + row_number() OVER (), "
            "user_id, media_id, type, interaction_value, timestamp "
            "FROM interaction, generate_series(1, %s) WHERE type = 'LIKE'",
            (TIMES,),
        )


def answer(worker: Container, user: str) -> tuple[UserRecommendations, set[str]]:
    """Return a user's recommendations, and the names of the statements that were run."""
    with recorded_statements() as runs:
        (answered,) = worker.service.recommend([user], Page(5))
    return answered, {run.name for run in runs}


def test_all_workers_read_repeated_interactions_in_groups_soon_after_they_begin(
    databases: Urls, tmp_path: Path
) -> None:
    drop_repetitions(databases)
    reference = Reference(databases)
    user = max(reference.users, key=lambda user: len(reference.positive.get(user, ())))
    settings = settings_for(databases, **PATIENT, CATALOG_REFRESH_SECONDS="1", EXACT_UP_TO_PAIRS="0")
    with contextlib.ExitStack() as stack:
        workers = [build_container(settings) for _ in range(2)]
        for worker in workers:
            stack.callback(worker.close)
            worker.share_catalog(tmp_path)
            worker.open()
            worker.wait_for_catalog(30)
        wait_until(lambda: all(not answer(worker, user)[0].degraded for worker in workers))
        before = [answer(worker, user) for worker in workers]
        assert all(REPEATED not in names for _, names in before)
        repeat_likes(databases)
        wait_until(lambda: all(REPEATED in answer(worker, user)[1] for worker in workers))
        after = [answer(worker, user)[0] for worker in workers]
        assert {each.index_version for each in after} == {before[0][0].index_version}
