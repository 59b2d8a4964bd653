"""`train`: build models from engagement_db and publish them for the servers to pick up."""

import time

import click

from config.settings import Settings, load_settings
from recommender.catalogue.index import window_start
from recommender.cli.common import patient_database
from recommender.cli.help_text import epilog
from recommender.cli.progress import passing
from recommender.data.dataset import Dataset, dataset_of
from recommender.databases.engagement_db import EngagementDatabase
from recommender.entities import DatabaseName
from recommender.model_store.shrinkage import MAX_SHRINKAGE
from recommender.models.registry import MODELS
from recommender.training.train import train as train_model

_STATUSES = {
    0: "published",
    1: "nothing is published: no likes or watches, too few of them, another run, or a database is down",
    2: "the command is wrong",
}


@click.group(epilog=epilog("train neighbours"))
def train() -> None:
    """Build a model from engagement_db; running servers pick it up within seconds.

    A trained model answers more users a second than live SQL, and without its caps. Train again regularly,
    every night for example: other users are known as of the training. Of several models, the one trained last
    answers.
    """


def _command(name: str, summary: str) -> click.Command:
    @click.option(
        "--accept-shrinkage",
        is_flag=True,
        help=f"Publish even if more than {MAX_SHRINKAGE:.0%} of the current version's users or pairs are "
        "gone.",
    )
    def run(*, accept_shrinkage: bool) -> None:
        _train(name, accept_shrinkage=accept_shrinkage)

    return click.command(
        name=name,
        help=f"{summary}\n\nReads engagement_db once and writes to MODEL_PATH.",
        epilog=epilog(f"train {name}", f"train {name} --accept-shrinkage", statuses=_STATUSES),
    )(run)


for _name, _registered in MODELS.items():
    train.add_command(_command(_name, _registered.summary))


def _train(name: str, *, accept_shrinkage: bool) -> None:
    settings = load_settings()
    started = time.monotonic()
    metadata = train_model(
        name, settings.models.model_path, lambda: _read(settings), accept_shrinkage=accept_shrinkage
    )
    counts = metadata.counts
    click.echo(
        f"Published {name} {metadata.version} of {counts['users']:,} users, {counts['media']:,} "
        f"media and {counts['pairs']:,} pairs in {time.monotonic() - started:.0f} s."
    )


def _read(settings: Settings) -> Dataset:
    start = window_start(settings.ranking.interaction_window_days)
    with patient_database(DatabaseName.ENGAGEMENT, settings) as database:
        engagement_db = EngagementDatabase(database, settings.interaction_types)
        users = engagement_db.count_active_users(start)
        histories = engagement_db.stream_positive_histories(start)
        return dataset_of(passing(histories, f"Reading {users:,} histories", users), start)
