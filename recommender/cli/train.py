"""`train`: train a model from engagement_db and publish it to running servers."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import click
from pydantic import ValidationError

from config.settings import Settings, load_settings
from recommender.cli.epilog import epilog
from recommender.cli.output import warn
from recommender.cli.progress import Show, progress
from recommender.cli.training_data import read_dataset
from recommender.model_store.artifact import KNOWN_ITEMS
from recommender.model_store.currents import PromotionScope
from recommender.model_store.shrinkage import MAX_SHRINKAGE
from recommender.models.fitting import Estimate, Fitting
from recommender.models.registry import MODELS
from recommender.training.publication import RecordPublication
from recommender.training.publication_records import recording_in
from recommender.training.train import train as train_model

_STATUSES = {
    0: "published",
    1: "nothing is published: no or too few likes and watches, another training runs, or a database is down",
    2: "the command is wrong",
}


@click.group(epilog=epilog("train neighbours"))
def train() -> None:
    """Train a model; running servers use it within seconds.

    The service also trains on its own, after comparing models (`trainer`). This trains the model that you
    name on the interactions in engagement_db. With MODEL=auto, it serves until the next training; `models
    rollback` goes back.
    """


def _command(name: str, summary: str) -> click.Command:
    @click.option(
        "--accept-shrinkage",
        is_flag=True,
        help=f"Publish even if more than {MAX_SHRINKAGE:.0%} of the current version's users or pairs are "
        "gone.",
    )
    @click.option(
        "--set",
        "given",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a hyperparameter to another value than its default; `tune` finds good values. Repeatable.",
    )
    @click.option(
        "--keep-serving",
        is_flag=True,
        help="Keep what serves all users: for a model that only an experiment uses.",
    )
    def run(*, accept_shrinkage: bool, given: tuple[str, ...], keep_serving: bool) -> None:
        _train(
            name,
            _hyperparameters(name, given),
            accept_shrinkage=accept_shrinkage,
            promotion=PromotionScope.MODEL if keep_serving else PromotionScope.ALL,
        )

    return click.command(
        name=name,
        help=f"{summary}\n\nReads engagement_db once and writes to MODEL_PATH.",
        epilog=epilog(f"train {name}", f"train {name} --accept-shrinkage", statuses=_STATUSES),
    )(run)


for _name, _registered in MODELS.items():
    train.add_command(_command(_name, _registered.summary))


def _hyperparameters(name: str, given: Sequence[str]) -> dict[str, str]:
    """Return the given hyperparameters after validation."""
    pairs = [each.partition("=") for each in given]
    hyperparameters = {key: value for key, _, value in pairs}
    if hyperparameters:
        try:
            MODELS[name].make(hyperparameters)
        except ValidationError as exc:
            error = exc.errors()[0]
            about = ".".join(map(str, error["loc"]))
            raise click.BadParameter(f"{about}: {error['msg']}", param_hint="--set") from None
    return hyperparameters


def _train(
    name: str, hyperparameters: Mapping[str, str], *, accept_shrinkage: bool, promotion: PromotionScope
) -> None:
    settings = load_settings()
    started = time.monotonic()
    with _learning(name, settings) as (fitting, announce):
        metadata = train_model(
            name,
            settings.models.model_path,
            lambda: read_dataset(settings),
            accept_shrinkage=accept_shrinkage,
            hyperparameters=hyperparameters,
            fitting=fitting,
            announce=announce,
            promotion=promotion,
            kept_versions=settings.models.kept_versions,
            record=record_of(settings),
        )
    counts = metadata.counts
    click.echo(
        f"Published {name} {metadata.version} of {counts['users']:,} users, {counts['media']:,} "
        f"media and {counts['pairs']:,} pairs in {time.monotonic() - started:.0f} s."
    )
    if counts[KNOWN_ITEMS] < counts["media"]:
        click.echo(
            f"It can score {counts[KNOWN_ITEMS]:,} of the media: the others have too few users, or did not "
            f"fit into TRAINING_MEMORY_MB, which is {settings.models.training_memory_mb:,}."
        )


@contextmanager
def _learning(name: str, settings: Settings) -> Iterator[tuple[Fitting, Callable[[Estimate], None]]]:
    """Show the progress of learning in percent, once its duration is estimated."""
    with ExitStack() as shown:
        show: Show = lambda _: None  # noqa: E731 - replaced when learning begins

        def announce(estimate: Estimate) -> None:
            nonlocal show
            megabytes = max(1, min(estimate.memory_bytes, memory_bytes) >> 20)
            label = f"Learning {name}, about {max(1, round(estimate.seconds)):,} s and {megabytes:,} MB"
            show = shown.enter_context(progress(label, 100))

        memory_bytes = settings.models.training_memory_bytes
        yield Fitting(memory_bytes, lambda share: show(round(100 * share))), announce


def record_of(settings: Settings) -> RecordPublication:
    """Return what records versions in recommendation_db, if there is one; failures are warnings."""
    return recording_in(settings.databases.recommendation_url, warn)
