"""`train`: build models from engagement_db and publish them for the servers to pick up."""

import time

import click

from config.settings import load_settings
from recommender.catalogue.index import window_start
from recommender.cli.common import patient_database
from recommender.cli.help_text import epilog
from recommender.cli.progress import passing
from recommender.databases.engagement_db import EngagementDatabase
from recommender.domain import DatabaseName
from recommender.models import artefact
from recommender.models.base import NEIGHBOURS
from recommender.models.neighbours_arrays import build_arrays


@click.group(epilog=epilog("train neighbours"))
def train() -> None:
    """Build a model from engagement_db; running servers pick it up within seconds.

    For more users a second than live SQL gives, and similar users without its caps. Do it again, every night
    say, for it to keep up with what people watch.
    """


@train.command(name=NEIGHBOURS, epilog=epilog("train neighbours"))
def train_neighbours() -> None:
    """Everybody's likes and watches in memory: similar users exactly, in a millisecond or two.

    Reads engagement_db once and writes to MODEL_PATH.
    """
    settings = load_settings()
    started = time.monotonic()
    start = window_start(settings.interaction_window_days)
    with patient_database(DatabaseName.ENGAGEMENT, settings) as database:
        engagement_db = EngagementDatabase(database, settings.interaction_types)
        users = engagement_db.count_active_users(start)
        histories = engagement_db.stream_positive_histories(start)
        arrays = build_arrays(passing(histories, f"Reading {users:,} histories", users))
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
