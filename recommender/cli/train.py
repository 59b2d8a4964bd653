"""`train`: build models from engagement_db and publish them for the servers to pick up."""

import time
from collections.abc import Mapping

import click

from config.settings import Settings, load_settings
from recommender.catalogue.index import window_start
from recommender.cli.common import patient_database
from recommender.cli.help_text import epilog
from recommender.cli.progress import passing
from recommender.databases.engagement_db import EngagementDatabase
from recommender.domain import DatabaseName
from recommender.errors import ArtefactError
from recommender.models.artefact import Arrays, Metadata
from recommender.models.base import NEIGHBOURS
from recommender.models.neighbours_arrays import build_arrays
from recommender.models.neighbours_checks import check_arrays
from recommender.models.publishing import publishing
from recommender.models.shrinkage import MAX_SHRINKAGE, find_shrinkage

_STATUSES = {
    0: "published",
    1: "nothing is published: no likes or watches, too few of them, another run, or a database is down",
    2: "the command is wrong",
}


@click.group(epilog=epilog("train neighbours"))
def train() -> None:
    """Build a model from engagement_db; running servers pick it up within seconds.

    For more users a second than live SQL gives, and similar users without its caps. Do it again, every night
    say, for it to keep up with what people watch.
    """


@train.command(
    name=NEIGHBOURS,
    epilog=epilog("train neighbours", "train neighbours --accept-shrinkage", statuses=_STATUSES),
)
@click.option(
    "--accept-shrinkage",
    is_flag=True,
    help=f"Publish even if more than {MAX_SHRINKAGE:.0%} of the current version's users or pairs are gone.",
)
def train_neighbours(*, accept_shrinkage: bool) -> None:
    """Everybody's likes and watches in memory: similar users exactly, in a millisecond or two.

    Reads engagement_db once and writes to MODEL_PATH.
    """
    settings = load_settings()
    started = time.monotonic()
    start = window_start(settings.interaction_window_days)
    with publishing(settings.model_path, NEIGHBOURS) as publisher:
        arrays = _read_arrays(settings, start)
        counts = {
            "users": len(arrays["user_ids"]),
            "media": len(arrays["media_ids"]),
            "pairs": len(arrays["values"]),
        }
        _refuse_empty(counts)
        if not accept_shrinkage:
            _refuse_shrunk(counts, publisher.former())
        check_arrays(arrays, counts)
        metadata = publisher.publish(arrays, start, counts, shrinkage_accepted=accept_shrinkage)
    click.echo(
        f"Published {NEIGHBOURS} {metadata.version} of {counts['users']:,} users, {counts['media']:,} "
        f"media and {counts['pairs']:,} pairs in {time.monotonic() - started:.0f} s."
    )


def _read_arrays(settings: Settings, start: str) -> Arrays:
    with patient_database(DatabaseName.ENGAGEMENT, settings) as database:
        engagement_db = EngagementDatabase(database, settings.interaction_types)
        users = engagement_db.count_active_users(start)
        histories = engagement_db.stream_positive_histories(start)
        return build_arrays(passing(histories, f"Reading {users:,} histories", users))


def _refuse_empty(counts: Mapping[str, int]) -> None:
    if not all(counts.values()):
        raise ArtefactError(
            "engagement_db has no likes or watches inside INTERACTION_WINDOW_DAYS. Nothing is published."
        )


def _refuse_shrunk(counts: Mapping[str, int], former: Metadata | None) -> None:
    lost = None if former is None else find_shrinkage(counts, former.counts)
    if former is not None and lost is not None:
        raise ArtefactError(
            f"engagement_db gives {lost} than {NEIGHBOURS} {former.version} has. Nothing is published. Where "
            "that is as it should be, run `python -m recommender train neighbours --accept-shrinkage`."
        )
