"""`train`: build models from engagement_db and publish them for the servers to pick up."""

import sys
import time

import click

from config.settings import Settings, load_settings
from recommender.catalogue_index import window_start
from recommender.databases.database import Database, PoolOptions
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.queries import load_queries
from recommender.domain import DatabaseName
from recommender.models import artefact
from recommender.models.base import NEIGHBOURS
from recommender.models.neighbours_arrays import build_arrays

# A training statement runs as long as the table is large.
_NO_TIMEOUT = 0


@click.group()
def train() -> None:
    """Build a model from engagement_db; running servers pick it up within seconds."""


@train.command(name=NEIGHBOURS)
def train_neighbours() -> None:
    """Everybody's likes and watches in memory: similar users exactly, in a millisecond or two.

    Reads engagement_db once and writes to MODEL_PATH.
    """
    settings = load_settings()
    started = time.monotonic()
    start = window_start(settings.interaction_window_days)
    database = _database(settings)
    database.open()
    try:
        engagement_db = EngagementDatabase(database)
        users = engagement_db.count_active_users(start)
        with click.progressbar(
            engagement_db.stream_positive_histories(start),
            length=users,
            label=f"Reading {users:,} histories",
            file=sys.stderr,
            update_min_steps=max(1, users // 200),
        ) as histories:
            arrays = build_arrays(histories)
    finally:
        database.close()
    counts = {
        "users": len(arrays["user_ids"]),
        "media": len(arrays["media_ids"]),
        "pairs": len(arrays["values"]),
    }
    metadata = artefact.publish(settings.model_path, NEIGHBOURS, arrays, start, counts)
    click.echo(
        f"Published {NEIGHBOURS} {metadata.version} of {counts['users']:,} users, {counts['media']:,} "
        f"media and {counts['pairs']:,} pairs in {time.monotonic() - started:.0f} s."
    )


def _database(settings: Settings) -> Database:
    name = DatabaseName.ENGAGEMENT
    options = PoolOptions(size=1, pool_timeout_ms=10_000, statement_timeout_ms=_NO_TIMEOUT)
    return Database(name, settings.database_url(name), load_queries(name, settings.sql_path), options)
